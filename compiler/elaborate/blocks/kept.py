"""`repeat ... { } keep y as ys`, and the same of an `extend`: values of the body, one row a turn, as a new first axis.

A value is that of the end of a turn. Where a condition ends the loop, or a text its row, the rows of turns that an example does not take are 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import Environment
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.statement_rules import assigned_names
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Size, symbols
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.shapes.shape import Stack
from mai.spec import ast
from mai.spec.diagnostics.edit import meant_among


def check_kept(e: Context, statement: ast.Repeat, count: Size | None) -> None:
    """Check that what is to be kept has a value in the body, and as many rows as a size says."""
    index = [statement.index] if statement.index is not None else []
    names = [name.id for name in (*assigned_names(statement.body), *index)]
    for kept in statement.keeps:
        if kept.state.id not in names:
            help = meant_among(kept.state.span, kept.state.id, names)
            message = f"`{kept.state.id}` gets no value in this `repeat`"
            raise e.fail("unknown-state", kept.state.span, message, help=help)
        if count is None:
            message = (
                "there is a row for each turn, so the number of turns is a size or a setting, not a number of the data"
            )
            raise e.fail("static-needed", statement.count.span, message)


def kept_of_turn(e: Context, inside: Environment, statement: ast.Repeat) -> list[Value]:
    """The values to keep, at the end of a turn."""
    values = []
    for kept in statement.keeps:
        if kept.state.id not in inside.names:
            raise e.fail("unknown-state", kept.state.span, f"`{kept.state.id}` gets no value in this `repeat`")
        values.append(e.value(inside.names[kept.state.id], kept.state.span))
    return values


def kept_while_going(e: Context, going: Value, kept: Sequence[Value]) -> list[Value]:
    """What is kept of a turn where an example goes on, and 0 where it had stopped."""
    zeros = {DType.BOOL: False, DType.INT: 0, DType.REAL: 0.0}
    return [e.emit(Where, going, v, e.builder.constant(zeros[v.type.dtype]), name=v.name) for v in kept]


def stack_turns(e: Context, statement: ast.Repeat, turns: Sequence[Sequence[Value]]) -> list[Value]:
    """The rows of turns that were elaborated one by one; all have one shape."""
    if statement.keeps and not turns:
        message = "of a `repeat` without turns nothing can be kept whose shape is clear"
        raise e.fail("static-needed", statement.count.span, message)
    return [_stacked(e, kept, rows) for kept, rows in zip(statement.keeps, zip(*turns, strict=True), strict=False)]


def _stacked(e: Context, kept: ast.Keep, rows: Sequence[Value]) -> Value:
    first, span = rows[0], kept.state.span
    for turn, row in enumerate(rows):
        if row.type.shape != first.type.shape:
            shapes = f"{describe(first.type.shape)} in turn 0 and {describe(row.type.shape)} in turn {turn}"
            message = f"`{kept.state.id}` is {shapes}: what is kept has one shape"
            raise e.fail("loop-shape-changes", span, message, label=describe(row.type.shape))
    return e.emit(Stack, *e.joined(list(rows), [span] * len(rows)), axis=-1 - first.type.rank)


def bind_kept(env: Environment, statement: ast.Repeat | ast.Extend, stacked: Sequence[Value]) -> None:
    """Give what was kept its names."""
    for kept, rows in zip(statement.keeps, stacked, strict=True):
        rows.name = kept.name.id
        env.bind(kept.name, rows)


def kept_of_token(e: Context, inside: Environment, statement: ast.Extend, length: str) -> list[Value]:
    """What is kept of a turn. Raises `Stop`: a name has no value in the body, or one that grows with the text, whose size is `length`."""
    return [_kept(e, inside, statement, kept, length) for kept in statement.keeps]


def _kept(e: Context, inside: Environment, statement: ast.Extend, kept: ast.Keep, length: str) -> Value:
    name, span = kept.state.id, kept.state.span
    names = [each.id for each in assigned_names(statement.body)]
    if name not in names or name not in inside.names:
        message = f"`{name}` gets no value in this `extend`"
        raise e.fail("unknown-state", span, message, help=meant_among(span, name, names))
    value = e.value(inside.names[name], span)
    if any(length in symbols(size) for size in value.type.shape):
        message = f"`{name}` grows with the text, {describe(value.type.shape)}: what is kept has one shape in all turns"
        raise e.fail("loop-shape-changes", span, message, help=f"its last row is `{name}[-1]`")
    return value
