"""Where a comparison beneath a condition has a side that is NaN: there it neither holds nor fails, and nor does what is made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Node, Value, values_behind
from mai.compiler.ir.structure import VIEWS, Across
from mai.compiler.ir.types import DType, Type
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
    behind, undecided = frozenset(values_behind(value)), dict[Value, Value]()
    for node in [*e.graph.nodes]:
        if node.output in behind and node.span is not None and within.covers(node.span):
            truth = _undecided(e, node, [undecided.get(each) for each in node.inputs])
            if truth is not None:
                undecided[node.output] = truth
    return e.emit(Where, undecided[value], e.builder.constant(math.nan), value) if value in undecided else value


def _undecided(e: Context, node: Node, parts: Sequence[Value | None]) -> Value | None:
    """Where it is unknown what a node gives, in the shape of its output, of the same of its inputs; None where it is known."""
    value, there = node.output, [part for part in parts if part is not None]
    if issubclass(node.op, Comparison) and node.inputs[0].type.dtype is DType.REAL:
        return _either(e, [e.emit(NotEqual, side, side) for side in node.inputs], value)
    if not there:
        return None
    if node.op is Where:
        return _either(e, [*there[: parts[0] is not None], *_taken(e, node, parts)], value)
    if issubclass(node.op, Reduction):
        return e.emit(AnyOf, there[0], axes=node.attributes["axes"], keep=node.attributes["keep"])
    if node.op in MOVES:
        return _moved(e, node, there[0])
    return _either(e, there, value) if issubclass(node.op, Elementwise) else None


def _moved(e: Context, node: Node, truth: Value) -> Value:
    """What moves a value, of a truth in its shape."""
    if node.structure is None:
        return e.emit(node.op, truth, **node.attributes)
    type = node.output.type
    return e.builder.add(node.structure, [truth], [Type(DType.BOOL, type.shape, type.lead)]).output


def _taken(e: Context, node: Node, parts: Sequence[Value | None]) -> list[Value]:
    """What is unknown of the branch that a `where` takes."""
    if parts[1] is None and parts[2] is None:
        return []
    one, other = (part if part is not None else e.builder.constant(False) for part in parts[1:])
    return [e.emit(Where, node.inputs[0], one, other)]


def _either(e: Context, truths: Sequence[Value], like: Value) -> Value:
    """Where one of several conditions holds, in the shape of a value and along its lead axes."""
    either = e.builder.spread(reduce(lambda a, b: e.emit(LogicalOr, a, b), truths), like.type.lead)
    return either if either.type.shape == like.type.shape else e.emit(Expand, either, shape=like.type.shape)
