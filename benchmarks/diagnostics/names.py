"""Mistakes with names: of values, functions, arguments, settings, words; and lines that are missing or there twice."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from benchmarks.diagnostics.mutation import Mutation, Range, Subject, kind, misspelt
from mai.compiler.elaborate.functions.registered import BUILTINS
from mai.spec import ast, prelude_parts, words
from mai.spec.ast_walk import nodes_of

TYPES = (ast.TensorType, ast.ClassType, ast.TokensType)
UNKNOWN = "unknown-name unknown-function unknown-distribution unknown-solver unknown-source unknown-optimizer unknown-schedule"


def _skipped(subject: Subject) -> set[ast.Name]:
    """Names that bind or choose: those in types, callees, and what only a source or `record` reads."""
    tree = subject.file
    typed = {n for t in TYPES for node in nodes_of(tree, t) for n in nodes_of(node, ast.Name)}
    callees = {c.function for c in nodes_of(tree, ast.Call) if isinstance(c.function, ast.Name)}
    piped = {p.right for p in nodes_of(tree, ast.Pipe) if isinstance(p.right, ast.Name)}
    sources = {n for d in nodes_of(tree, ast.Data) for n in nodes_of(d.source, ast.Name)}
    kept = {
        n for kind in (ast.Field, ast.Record, ast.Weights) for r in nodes_of(tree, kind) for n in nodes_of(r, ast.Name)
    }
    return typed | callees | piped | sources | kept


@kind
def misspelt_name(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A parameter, a value or a constant."""
    skipped = _skipped(subject)
    for name in nodes_of(subject.file, ast.Name):
        wrong = misspelt(name.id, rng, subject.names)
        if wrong and name not in skipped:
            yield subject.at(name.span, wrong, "unknown-name unknown-schedule", name.id)


@kind
def misspelt_function(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A net, layer, function, solver, source or optimizer."""
    for call in nodes_of(subject.file, ast.Call):
        if isinstance(call.function, ast.Name):
            wrong = misspelt(call.function.id, rng, subject.names)
            if wrong:
                yield subject.at(call.function.span, wrong, UNKNOWN, call.function.id)


@kind
def misspelt_argument(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """The name of an argument or of a setting."""
    for argument in nodes_of(subject.file, ast.Argument):
        if argument.name and argument.name_span:
            wrong = misspelt(argument.name, rng, subject.names)
            if wrong:
                yield subject.at(
                    argument.name_span, wrong, "unknown-argument unknown-setting bad-pattern", argument.name
                )


@kind
def misspelt_word(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A word of the language."""
    for begin, end, word in _words(subject, {w.text for w in words.WORDS if w.kind != "value" and len(w.text) > 3}):
        wrong = misspelt(word, rng, subject.names | {w.text for w in words.WORDS})
        if wrong:
            yield subject.mutation(begin, end, wrong, "misspelt misplaced-statement missing-type missing-solver", word)


@kind
def capital_word(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A word that begins a line, with a capital letter."""
    for begin, end, word in _words(subject, {w.text for w in (*words.STATEMENTS, *words.DECLARATIONS)}):
        if not subject.code[:begin].rpartition("\n")[2].strip():
            yield subject.mutation(begin, end, word.title(), "misspelt misplaced-statement", word)


def _words(subject: Subject, wanted: set[str]) -> Iterator[tuple[int, int, str]]:
    for match in re.finditer(r"(?<![.\w])(?<!param )[a-z]+\b(?!\s*[=(.,)])", subject.code):
        if match[0] in wanted:
            yield match.start(), match.end(), match[0]


@kind
def deleted_line(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A line that gives a name its value: the next use of the name has none."""
    for function in nodes_of(subject.file, ast.Function):
        yield from _without_values(subject, function, {p.name.id for p in function.parameters})
    for train in nodes_of(subject.file, ast.Train):
        fields = {f.name.id for data in nodes_of(subject.file, ast.Data) for f in data.fields}
        yield from _without_values(subject, train, fields)


def _without_values(subject: Subject, body: ast.Function | ast.Train, bound: set[str]) -> Iterator[Mutation]:
    statements = [s for s in body.body if isinstance(s, (ast.Assign, ast.Draw))]
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else (statement.name,)
        name = targets[0].id
        others = [t.id for s in statements if s is not statement and isinstance(s, ast.Assign) for t in s.targets]
        if len(targets) > 1 or name in bound or name in others or _defined(subject, name):
            continue
        uses = [n for n in nodes_of(body, ast.Name) if n.id == name and n.span.start > statement.span.end]
        uses += [n for n in nodes_of(body, ast.Identifier) if n.id == name and n.span.start > statement.span.end]
        if uses and _alone(subject, statement):
            yield _without_line(
                subject, statement, _together(body, uses), "unknown-name unknown-state dtype-mismatch", name
            )


def _together(body: ast.Function | ast.Train, uses: list[ast.Name | ast.Identifier]) -> list[Range]:
    """The uses of a name in the first statement that has any."""
    spans = sorted((n.span for n in uses), key=lambda s: s.start)
    end = next(s.span.end for s in body.body if s.span.end > spans[0].start)
    return [(s.start, s.end) for s in spans if s.start < end]


def _defined(subject: Subject, name: str) -> bool:
    declared = [d.name.id for d in subject.file.declarations if isinstance(d, (ast.Const, ast.Let, ast.Function))]
    return name in declared or name in BUILTINS or name in prelude_parts()


def _alone(subject: Subject, node: ast.Statement | ast.Declaration) -> bool:
    """Whether a node has its lines for itself."""
    begin, end = subject.text.rfind("\n", 0, node.span.start) + 1, subject.code.find("\n", node.span.end)
    return not subject.code[begin : node.span.start].strip() and not subject.code[node.span.end : end].strip()


def _without_line(
    subject: Subject, node: ast.Statement | ast.Declaration, places: list[Range], slugs: str, name: str
) -> Mutation:
    begin = subject.text.rfind("\n", 0, node.span.start) + 1
    end = subject.text.find("\n", node.span.end) + 1
    shifts = [end - begin if place > begin else 0 for place, _ in places]
    spans = tuple((a - shift, b - shift) for (a, b), shift in zip(places, shifts, strict=True))
    return subject.mutation(begin, end, "", slugs, name, spans=spans)


@kind
def deleted_constant(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """The line of a `const` or a `let`: its first use is the place."""
    for declaration in subject.file.declarations:
        if not isinstance(declaration, (ast.Const, ast.Let)) or not _alone(subject, declaration):
            continue
        name = declaration.name.id
        typed = {n.id for t in TYPES for node in nodes_of(subject.file, t) for n in nodes_of(node, ast.Name)}
        uses = [n.span for n in nodes_of(subject.file, ast.Name) if n.id == name]
        if uses and name not in typed and name != "vocab":
            first = min(uses, key=lambda s: s.start)
            yield _without_line(subject, declaration, [(first.start, first.end)], "unknown-name", name)


@kind
def deleted_return(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A body without its `return`."""
    for function in nodes_of(subject.file, ast.Function):
        last = function.body[-1] if function.body else None
        if isinstance(last, ast.Return) and len(function.body) > 1 and _alone(subject, last):
            at = [(function.name.span.start, function.name.span.end)]
            yield _without_line(subject, last, at, "missing-return", function.name.id)


@kind
def doubled_line(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A declaration, a `param` or a `return` that is there twice."""
    statements = [
        s for f in nodes_of(subject.file, ast.Function) for s in f.body if isinstance(s, (ast.Return, ast.Param))
    ]
    declarations = [d for d in subject.file.declarations if isinstance(d, (ast.Const, ast.Let, ast.Function))]
    for node in (*statements, *declarations):
        if not _alone(subject, node):
            continue
        begin, end = subject.text.rfind("\n", 0, node.span.start) + 1, subject.text.find("\n", node.span.end) + 1
        lines, shift = subject.text[begin:end], end - begin
        if isinstance(node, ast.Return):
            whole = node.span.start + shift, node.span.end + shift
            yield subject.mutation(end, end, lines, "unreachable", spans=(whole,))
        else:
            at = node.name.span.start + shift, node.name.span.end + shift
            yield subject.mutation(end, end, lines, "duplicate-name", node.name.id, spans=(at,))
