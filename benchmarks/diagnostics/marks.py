"""Mistakes with brackets, operators, quotes, commas, and habits of other languages."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from benchmarks.diagnostics.mutation import Mutation, Range, Subject, kind
from mai.spec import ast
from mai.spec.ast_walk import nodes_of

OPENING, CLOSING = "([{", ")]}"
BRACKETS = "unclosed-bracket unmatched-bracket"


def _pairs(code: str) -> dict[int, int]:
    """Where each opening bracket is closed."""
    pairs, open_ = {}, []
    for at, c in enumerate(code):
        if c in OPENING:
            open_.append(at)
        elif c in CLOSING:
            pairs[open_.pop()] = at
    return pairs


def _left_open(code: str) -> list[Range]:
    """The brackets of a text without their partners, each as far as it goes."""
    open_: list[int] = []
    for at, c in enumerate(code):
        if c in OPENING:
            open_.append(at)
        elif c in CLOSING:
            if open_ and OPENING.index(code[open_[-1]]) == CLOSING.index(c):
                open_.pop()
            else:
                return [(at, at + 1), *((o, o + 1) for o in open_[-1:])]
    return [(o, o + 1) for o in open_[-1:]]


@kind
def dropped_bracket(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A closing bracket that is missing: its partner, or the bracket that pairing leaves without one, is the place."""
    for begin, end in _pairs(subject.code).items():
        code = subject.code[:end] + subject.code[end + 1 :]
        spans = ((begin, begin + 1), *_left_open(code))
        yield subject.mutation(end, end + 1, "", BRACKETS, "close", spans=spans)


@kind
def dropped_opening(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """An opening bracket that is missing."""
    for begin, end in _pairs(subject.code).items():
        code = subject.code[:begin] + subject.code[begin + 1 :]
        spans = ((end - 1, end), *_left_open(code))
        yield subject.mutation(begin, begin + 1, "", f"{BRACKETS} missing-parameters missing-block", spans=spans)


@kind
def doubled_bracket(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A closing bracket that is there twice."""
    for end in _pairs(subject.code).values():
        code = subject.code[: end + 1] + subject.code[end] + subject.code[end + 1 :]
        spans = ((end, end + 1), (end + 1, end + 2), *_left_open(code))
        yield subject.mutation(end + 1, end + 1, subject.code[end], BRACKETS, "closes nothing|close", spans=spans)


def _operator(subject: Subject, pattern: str, text: str, slugs: str, *words: str) -> Iterator[Mutation]:
    """Another operator where the pattern's first group stands; any of its characters may be pointed to."""
    for match in re.finditer(pattern, subject.code):
        begin = match.start(1)
        inner = tuple((begin + i, begin + j) for i in range(len(text)) for j in range(i + 1, len(text) + 1))
        yield subject.mutation(begin, match.end(1), text, slugs, *words, spans=inner)


@kind
def power_of_python(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`x ** 2`."""
    return _operator(subject, r"(\^)", "**", "wrong-operator", "^")


@kind
def compared_for_given(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`y == x` in a line of its own."""
    return _operator(subject, r"(?m)^\s+\w+ (=) ", "==", "assign-vs-compare", "=")


@kind
def change_turned_round(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`x =+ 1`."""
    return _operator(subject, r"(\+=)", "=+", "wrong-operator missing-operand", "+=")


@kind
def half_a_pipe(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`x | relu`."""
    return _operator(subject, r"(\|>)", "|", "wrong-operator", "|>")


@kind
def three_dots(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`0...1`."""
    return _operator(subject, r"(\.\.)", "...", "wrong-operator", "two dots|0..1")


@kind
def arrow_as_colon(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`net f(x: [2]): [2]`."""
    return _operator(subject, r"\) ?(->)", ":", "missing-type", "->")


@kind
def given_for_drawn(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`x = normal([2])`: the line, or the first use of what is no value."""
    for draw in nodes_of(subject.file, ast.Draw):
        at = subject.code.index("~", draw.name.span.end)
        span = draw.distribution.span
        where = (span.start, span.end), (draw.span.start, draw.span.end), (at, at + 1)
        yield subject.mutation(at, at + 1, "=", "type-mismatch unknown-distribution", "~", spans=where)


@kind
def drawn_for_given(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`h ~ linear(x, 8)`."""
    for assign in nodes_of(subject.file, ast.Assign):
        if len(assign.targets) == 1 and not assign.op:
            at = subject.code.index("=", assign.targets[0].span.end)
            span = assign.value.span
            where = (span.start, span.end), (at, at + 1), _callee(assign.value)
            yield subject.mutation(at, at + 1, "~", "unknown-distribution", "=|normal", spans=where)


def _callee(value: ast.Expr) -> Range:
    span = value.function.span if isinstance(value, ast.Call) else value.span
    return span.start, span.end


@kind
def dropped_comma(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`f(x y)`: what follows is the place."""
    for match in re.finditer(r"[\w)\]](,) ?([\w.]+|[\[(])", subject.code):
        at, size = match.start(1), len(match[2])
        begin = match.start(2) - 1
        spans = ((begin, begin + size), (at - 1, at), (at, begin))
        yield subject.mutation(at, at + 1, "" if begin > at else " ", "missing-comma", ",", spans=spans)


@kind
def single_quotes(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """'text' for "text"."""
    for string in nodes_of(subject.file, ast.String):
        begin, end = string.span.start, string.span.end
        spans = ((begin, begin + 1), (begin, end))
        yield subject.mutation(begin, end, f"'{string.value}'", "bad-character", "double quotes|quote", spans=spans)


@kind
def open_string(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A text without its closing quote."""
    for string in nodes_of(subject.file, ast.String):
        begin, end = string.span.start, string.span.end
        line = subject.text.find("\n", end)
        spans = ((begin, begin + 1), (begin, end - 1), (begin, line - 1))
        yield subject.mutation(end - 1, end, "", "unclosed-string", "quote", spans=spans)


@kind
def block_of_python(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`repeat 3:`, with its lines below."""
    for match in re.finditer(r"(?m)^ *(?:repeat|if|integrate)\b[^{\n]*?( ?\{)$", subject.code):
        close = _pairs(subject.code).get(match.end() - 1, 0)
        text = ":" + subject.text[match.end() : close] + subject.text[close + 1 :]
        at = match.start(1)
        yield subject.mutation(at, len(subject.text), text, "missing-block", "{", spans=((at, at + 1),))


@kind
def semicolon(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A statement that ends in `;`."""
    for assign in nodes_of(subject.file, (ast.Assign, ast.Draw, ast.Return)):  # type: ignore[arg-type]
        end = assign.span.end
        if subject.code[end : end + 1] in ("\n", " "):
            yield subject.mutation(end, end, ";", "bad-character", ";")


@kind
def loop_of_python(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`for i in range(3) {`."""
    for repeat in nodes_of(subject.file, ast.Repeat):
        begin, end = repeat.span.start, repeat.count.span.end
        spans = ((begin, begin + 3), (begin, begin + 8))
        text = f"for i in range({repeat.count.span.text})"
        if not repeat.index and not repeat.shared:
            yield subject.mutation(begin, end, text, "foreign-keyword", "repeat", spans=spans)


@kind
def function_of_python(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`def f(x: [2])`."""
    for function in nodes_of(subject.file, ast.Function):
        if function.kind == "net":
            begin = function.span.start
            yield subject.mutation(begin, begin + 3, "def", "foreign-keyword", "net")


@kind
def method(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`x.relu()`."""
    for call in nodes_of(subject.file, ast.Call):
        first = call.arguments[0] if call.arguments else None
        if first and not first.name and isinstance(first.value, ast.Name) and isinstance(call.function, ast.Name):
            text = f"{first.value.id}.{call.function.id}"
            rest = subject.text[first.span.end : call.span.end].lstrip(", ")
            span = call.span.start, call.span.start + len(text)
            yield subject.mutation(
                call.span.start, call.span.end, f"{text}({rest}", "not-callable", f"{call.function.id}(", spans=(span,)
            )


@kind
def module_of_python(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`torch.relu(x)`, `nn.relu(x)`."""
    for call in nodes_of(subject.file, ast.Call):
        if isinstance(call.function, ast.Name) and call.function.id not in subject.functions:
            text = f"{rng.choice(['torch', 'F', 'nn', 'jnp'])}.{call.function.id}"
            slugs = "not-callable unknown-optimizer unknown-schedule unknown-solver unknown-source unknown-distribution bad-setting"
            yield subject.at(call.function.span, text, slugs, f"`{call.function.id}")


@kind
def constant_of_elsewhere(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`let`, `var` or `const` before a value inside a block."""
    for assign in nodes_of(subject.file, ast.Assign):
        if not assign.op and len(assign.targets) == 1:
            begin, word = assign.span.start, rng.choice(["let", "const", "var", "auto"])
            spans = ((begin, begin + len(word)),)
            yield subject.mutation(begin, begin, f"{word} ", "misplaced-declaration foreign-keyword", "=", spans=spans)
