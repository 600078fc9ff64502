"""`constrain`: scores of tokens of which those are left that a pattern allows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.functions.constructs import appended_tokens
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.structure import NOTHING
from mai.compiler.ops.elementwise import Subtract
from mai.compiler.ops.elementwise.logic import Equal, LogicalAnd, LogicalNot, LogicalOr, Where
from mai.compiler.ops.reductions.truth import AnyOf
from mai.compiler.ops.shapes.indexing import Iota
from mai.compiler.ops.shapes.shape import Unsqueeze
from mai.compiler.ops.texts.constraint import Follows, IsWhole, Walk
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

RULED_OUT = -1e9
MAX_BYTES = 10_000_000


@builtin(Section.LOSSES)
def constrain(e: Elaborator, logits: Arg, x: Arg, regex: Arg | None = None, schema: Arg | None = None) -> Binding:
    """Scores [K] of the next token of x, -1e9 for those with which the text that is appended would match no regular expression, or no JSON schema."""
    z: Value = e.real(logits.value, logits.span)
    if z.type.rank != 1 or not isinstance(z.type.shape[0], int):
        raise ShapeError("rank-mismatch", f"`constrain` takes logits [K], this is {describe(z.type.shape)}", 0)
    import json  # Few files have patterns.

    own, growing = appended_tokens(e, x), e.growing
    assert growing is not None, "what is appended is known in an `extend` alone"
    if growing.searches:
        raise e.fail(
            "answer-pattern", logits.span, "a search has no `constrain`: texts of a pattern are drawn, or greedy"
        )
    count = z.type.shape[0]
    table = json.dumps({**_pattern(e, regex, schema, x.span), "vocab": count})
    b, tokens = e.builder, e.value(x.value, x.span)
    named = e.emit(Where, own, tokens, b.constant(NOTHING))
    state = e.emit(Walk, named, b.constant(0), table=table, name="matched")
    left = e.emit(Subtract, e.emit(Subtract, growing.count, growing.turn), b.constant(1))
    allowed = e.emit(Follows, state, left, table=table, count=count, name="allowed")
    if growing.ends:
        is_end = _is_end(e, growing.ends, count)
        ends = e.emit(LogicalAnd, is_end, e.emit(Unsqueeze, e.emit(IsWhole, state, table=table)))
        allowed = e.emit(LogicalOr, e.emit(LogicalAnd, allowed, e.emit(LogicalNot, is_end)), ends)
    growing.stuck.append(e.emit(LogicalNot, e.emit(AnyOf, allowed, axes=(-1,))))
    return e.emit(Where, allowed, z, b.constant(RULED_OUT), name="constrain")


def _is_end(e: Elaborator, ends: Sequence[Value], count: int) -> Value:
    """For each token whether it ends a row."""
    tokens = e.emit(Iota, count=count)
    first, *rest = (e.emit(Equal, tokens, end) for end in ends)
    for other in rest:
        first = e.emit(LogicalOr, first, other)
    return first


def _pattern(e: Elaborator, regex: Arg | None, schema: Arg | None, span: Span) -> dict[str, object]:
    """A pattern as it becomes a table: the text of a regular expression, or the table of a JSON schema."""
    if (regex is None) == (schema is None):
        help = 'constrain(z, x, "[0-9]+") or constrain(z, x, schema = "answer.json")'
        raise e.fail("answer-pattern", span, "`constrain` takes a regular expression, or a JSON schema", help=help)
    if regex is not None:
        from mai.compiler.constraints.regex import WrongPattern, parse

        text = _text(e, regex)
        try:
            parse(text)
        except WrongPattern as error:
            # Where a bracket is open, it is closed at the end.
            closed = [put(regex.span, f'"{text}{end}"') for end in "])"]
            message = f"{error.why}, at letter {error.place + 1} of the pattern"
            raise e.fail("answer-pattern", regex.span, message, edits=closed) from error
        return {"regex": text}
    from mai.compiler.constraints.schema import WrongSchema, pattern_of_schema

    assert schema is not None
    content = _read(e, schema)
    try:
        pattern_of_schema(content)
    except WrongSchema as error:
        raise e.fail("answer-pattern", schema.span, f"the schema: {error}") from error
    return {"schema": content}


def _text(e: Elaborator, argument: Arg) -> str:
    if not isinstance(argument.value, str):
        raise e.fail("answer-pattern", argument.span, 'a pattern is a text, as "[0-9]+"')
    return argument.value


def _read(e: Elaborator, argument: Arg) -> object:
    """What a schema's file says; its path starts at the spec's."""
    import json

    path = Path(argument.span.source.path).parent / _text(e, argument)
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is no plain file")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise e.fail("answer-pattern", argument.span, f"there is no schema {path}: {why}") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise e.fail("answer-pattern", argument.span, f"the schema {path} is no JSON: {error}") from error
