"""Where a comparison beneath a condition has a side that is NaN: there it neither holds nor fails, and nor does what is made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.structure import VIEWS, Across
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.elementwise.logic import Comparison, LogicalOr, NotEqual, Where
from mai.compiler.ops.reductions.base import Reduction
from mai.compiler.ops.reductions.truth import AnyOf
from mai.compiler.ops.shapes.shape import Expand, Reshape, Squeeze, Transpose, Unsqueeze
from mai.spec.source import Span

MOVES = (*VIEWS, Across, Expand, Reshape, Squeeze, Transpose, Unsqueeze)


def decided(e: Context, value: Value, within: Span) -> Value:
    """A number that is made of conditions, or NaN where one of them cannot be decided.

    Args:
        within: the text whose comparisons are looked at: a net may well compare what is NaN, in `where(x > 0, x, 0)`.
    """
    undecided = _undecided(e, value, within)
    return value if undecided is None else e.emit(Where, undecided, e.builder.constant(math.nan), value)


def _undecided(e: Context, value: Value, within: Span) -> Value | None:
    """Where it is unknown what a value is, in its own shape; None where nothing beneath it compares."""
    node = value.producer
    if node is None or node.span is None or not _lies_in(node.span, within):
        return None
    if issubclass(node.op, Comparison) and node.inputs[0].type.dtype is DType.REAL:
        return _either(e, [e.emit(NotEqual, side, side) for side in node.inputs], value)
    parts = [_undecided(e, each, within) for each in node.inputs]
    there = [part for part in parts if part is not None]
    if not there:
        return None
    if node.op is Where:
        return _either(e, [*there[: parts[0] is not None], *_taken(e, node, parts)], value)
    if issubclass(node.op, Reduction):
        return e.emit(AnyOf, there[0], axes=node.attributes["axes"], keep=node.attributes["keep"])
    if node.op in MOVES:
        return e.builder.again(node, there)[0]
    return _either(e, there, value) if issubclass(node.op, Elementwise) else None


def _taken(e: Context, node: Node, parts: Sequence[Value | None]) -> list[Value]:
    """What is unknown of the branch that a `where` takes."""
    if parts[1] is None and parts[2] is None:
        return []
    one, other = (part if part is not None else e.builder.constant(False) for part in parts[1:])
    return [e.emit(Where, node.inputs[0], one, other)]


def _either(e: Context, truths: Sequence[Value], like: Value) -> Value:
    """Where one of several conditions holds, in the shape of a value."""
    either = reduce(lambda a, b: e.emit(LogicalOr, a, b), truths)
    return either if either.type.shape == like.type.shape else e.emit(Expand, either, shape=like.type.shape)


def _lies_in(span: Span, whole: Span) -> bool:
    return span.source is whole.source and whole.start <= span.start and span.end <= whole.end
