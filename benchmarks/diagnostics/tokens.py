"""Mistakes of the hand: a token that is missing, there twice, or in another's place; a line in another's place."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from benchmarks.diagnostics.mutation import Mutation, Range, Subject, kind
from mai.spec import ast
from mai.spec.ast_walk import nodes_of

TOKEN = re.compile(r'"[^"\n]*"|\w+(?:\.\d+)?|\|>|->|\.\.|//|[-+*/=!<>]=|[^\w\s]')
SYNTAX = (
    "syntax unclosed-bracket unmatched-bracket missing-comma missing-operand missing-equals missing-block missing-name "
    "missing-type missing-value missing-source missing-solver missing-range missing-count missing-parameters missing-quotes "
    "misspelt misplaced-statement misplaced-comma misplaced-declaration misplaced-type two-on-a-line unfinished no-effect "
    "wrong-operator assign-vs-compare bad-derivative reserved-name foreign-keyword not-callable unclosed-string misplaced-else "
    "unknown-name unknown-function unknown-argument unknown-setting missing-argument too-many-arguments duplicate-argument "
    "duplicate-name misplaced-keep not-assignable bad-number misplaced-block type-mismatch unknown-distribution class-range "
    "shape-mismatch rank-mismatch return-shape dtype-mismatch dimension-mismatch objective-not-scalar no-derivative missing-return"
)  # fmt: skip


def _tokens(subject: Subject) -> list[re.Match[str]]:
    """The tokens of the text, comments aside."""
    code = re.sub(r'("[^"\n]*")|#[^\n]*', lambda m: m[1] or " " * len(m[0]), subject.text)
    return list(TOKEN.finditer(code))


def _around(tokens: list[re.Match[str]], at: int, begin: int, shift: int) -> tuple[Range, ...]:
    """The token at the mistake, and those on both sides of it."""
    near = tokens[max(0, at - 2) : at + 3]
    return tuple((t.start(), t.end()) if t.start() < begin else (t.start() + shift, t.end() + shift) for t in near)


def _holders(subject: Subject, begin: int, end: int) -> tuple[Range, ...]:
    """The call, the type and the statement around a mistake, after it has made them shorter."""
    kinds = (ast.Call, ast.TensorType, ast.Assign, ast.Draw, ast.Return)
    spans = [n.span for kind in kinds for n in nodes_of(subject.file, kind)]
    around = sorted((s for s in spans if s.start <= begin and end <= s.end), key=lambda s: s.end - s.start)
    begins = [(s.start if s.start < begin else begin, s.end - (end - begin)) for s in around[:2]]
    return tuple(begins)


@kind
def dropped_mark(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """An operator, a comma or a colon that is missing."""
    tokens = _tokens(subject)
    for i, token in enumerate(tokens):
        if token[0] in ("=", "*", "+", "/", "@", ":", ",", "~", "->", "|>", ".."):
            begin, end = token.span()
            spans = _around(tokens, i, begin, begin - end)
            yield subject.mutation(begin, end, "", SYNTAX, spans=spans, certain=token[0] != ",")


@kind
def doubled_mark(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """An operator, a comma or a colon that is there twice."""
    tokens = _tokens(subject)
    for i, token in enumerate(tokens):
        if token[0] in ("*", "+", "@", ":", ",", "~", "->", "|>", "^"):
            end = token.end()
            spans = (*_around(tokens, i, end, len(token[0]) + 1), (end + 1, end + 1 + len(token[0])))
            yield subject.mutation(end, end, f" {token[0]}", SYNTAX, spans=spans)


@kind
def dropped_word(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A name, a number or a word that is missing."""
    tokens = _tokens(subject)
    for i, token in enumerate(tokens):
        if re.match(r"\w", token[0]):
            begin, end = token.span()
            end += subject.text[end] == " "
            spans = _around(tokens, i, begin, begin - end) + _holders(subject, begin, end)
            yield subject.mutation(begin, end, "", SYNTAX, spans=spans, certain=False)


@kind
def doubled_word(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A name, a number or a word that is there twice."""
    tokens = _tokens(subject)
    for i, token in enumerate(tokens):
        if re.match(r"\w", token[0]):
            end, size = token.end(), len(token[0]) + 1
            spans = (*_around(tokens, i, end, size), (end + 1, end + size), (token.start(), end + size))
            yield subject.mutation(end, end, f" {token[0]}", SYNTAX, spans=spans)


@kind
def exchanged_lines(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """Two statements in the wrong order, the second of which made what the first one uses."""
    for function in nodes_of(subject.file, ast.Function):
        for one, other in zip(function.body, function.body[1:], strict=False):
            if not isinstance(one, (ast.Assign, ast.Draw)) or not isinstance(other, ast.Assign) or other.op:
                continue
            name = one.name.id if isinstance(one, ast.Draw) else one.targets[0].id
            uses = [n.span for n in nodes_of(other.value, ast.Name) if n.id == name]
            bound = {p.name.id for p in function.parameters} | {n.id for n in nodes_of(one, ast.Name)}
            lines = subject.text[one.span.start : other.span.end].split("\n")
            if len(lines) == 2 and uses and name not in bound and getattr(one, "op", "") == "":
                text = lines[1].strip() + "\n" + lines[1][: len(lines[1]) - len(lines[1].lstrip())] + lines[0]
                shift = other.span.start - one.span.start
                spans = tuple((u.start - shift, u.end - shift) for u in uses)
                yield subject.mutation(
                    one.span.start, other.span.end, text, "unknown-name", name, spans=spans, certain=False
                )


@kind
def other_operator(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`@` for `*` or the other way, where the shapes refuse it."""
    for binary in nodes_of(subject.file, ast.Binary):
        if binary.op in ("@", "*"):
            wrong = "*" if binary.op == "@" else "@"
            begin, end = binary.op_span.start, binary.op_span.end
            sides = [(s.span.start, s.span.end) for s in (binary.left, binary.right, binary)]
            slugs = "shape-mismatch dimension-mismatch rank-mismatch return-shape bad-setting"
            yield subject.mutation(begin, end, wrong, slugs, spans=((begin, end), *sides), certain=False)


@kind
def missing_index(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`linear(x, 1)` for `linear(x, 1)[0]`."""
    for index in nodes_of(subject.file, ast.Index):
        begin, end = index.base.span.end, index.span.end
        slugs = "return-shape shape-mismatch rank-mismatch dimension-mismatch objective-not-scalar dtype-mismatch class-range loop-shape-changes"
        shift = end - begin
        outer = [e for k in (ast.Binary, ast.Call, ast.Assign, ast.Return) for e in nodes_of(subject.file, k)]
        spans = [(index.base.span.start, begin)]
        spans += [(o.span.start, o.span.end - shift) for o in outer if o.span.start <= begin and end <= o.span.end]
        values = [s.value.span for k in (ast.Assign, ast.Return, ast.Minimize) for s in nodes_of(subject.file, k)]
        spans += [(v.start, v.end - shift) for v in values if v.start <= begin and end <= v.end]
        yield subject.mutation(begin, end, "", slugs, spans=tuple(spans), certain=False)
