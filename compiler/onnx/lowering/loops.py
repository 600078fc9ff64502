"""Loops as ONNX: a `Loop` with the body as a graph, or the turns one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx_ir as ir

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.lowering.backend import OnnxBackend
from mai.compiler.onnx.lowering.nodes import DTYPES
from mai.compiler.passes.analyses.extent import MOST_OPERATIONS
from mai.spec.diagnostics import Diagnostic, MaiError

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.interpreter import OnnxInterpreter

GOING = Value(Type(DType.BOOL), "going")


def plain_loop(walk: OnnxInterpreter, node: Node) -> list[ir.Value]:
    """All examples take each turn, until the count is reached or the first state, if the loop stops, is false for all."""
    region, op, rule = node.regions[0], walk.op, Loop.of(node)
    count, *states = (walk[v] for v in node.inputs)
    inputs = [walk.typed(v) for v in region.inputs]
    going = walk.typed(GOING)
    with op.inside(region.inputs) as nodes:
        results = walk.body(region, inputs)
        goes_on = _any(op, results[0]) if rule.stops else op.goes_on
        outputs = walk.leaving([goes_on, *results], [GOING, *region.outputs])
    body = ir.Graph([inputs[0], going, *inputs[1:]], outputs, nodes=nodes, name=op.name("body"))
    results = op.several("Loop", len(node.outputs), count, op.goes_on, *states, body=body)
    last, rows = results[: len(states)], results[len(states) :]
    return last + stacked(op, rows, region.outputs[len(states) :], count, rule)


def _any(op: OnnxBackend, going: ir.Value) -> ir.Value:
    """One truth: whether it is true anywhere."""
    if not op.rank(going):
        return going
    numbers = op.Cast(going, to=int(ir.DataType.INT64))
    return op.Greater(op.ReduceMax(numbers, keepdims=0), 0)


def stacked(
    op: OnnxBackend, rows: Sequence[ir.Value], kept: Sequence[Value], count: ir.Value, rule: Loop
) -> list[ir.Value]:
    """What a loop kept of each turn, [turns, ...], as rows of the values `kept`; those of turns that it did not take are filled."""
    if not rule.count or not isinstance(rule.count, int):
        rows = [_whole(op, row, v) for row, v in zip(rows, kept, strict=True)]
    if rule.stops and rule.fill is not None:
        rows = [_filled(op, row, count, rule.fill, v.type.dtype) for row, v in zip(rows, kept, strict=True)]
    return [rows_of(op, row, v) for row, v in zip(rows, kept, strict=True)]


def _whole(op: OnnxBackend, rows: ir.Value, kept: Value) -> ir.Value:
    """Rows of the sizes that they have: what a loop without turns keeps, ONNX Runtime makes of no size along every symbolic axis."""
    if all(isinstance(size, int) for size in kept.type.physical):
        return rows
    row = op.shape_vector([op.resolve(size) for size in kept.type.physical])
    return op.Reshape(rows, op.Concat(op.Shape(rows, start=0, end=1), row, axis=0), allowzero=1)


def _filled(op: OnnxBackend, rows: ir.Value, count: ir.Value, fill: int, dtype: DType) -> ir.Value:
    """Kept rows with those of the turns that a loop did not take."""
    turns = op.Shape(rows, start=0, end=1)
    rest = op.Shape(rows, start=1)
    missing = op.Concat(op.Sub(op.Reshape(count, op.ints([1])), turns), rest, axis=0)
    return op.Concat(rows, op.Expand(op.const(fill, DTYPES[dtype].numpy()), missing), axis=0)


def rows_of(op: OnnxBackend, stacked: ir.Value, kept: Value) -> ir.Value:
    """A loop stacks along the first axis in memory; rows are the first axis of the shape, after the lead axes."""
    lead, rank = len(kept.type.lead), kept.type.rank
    if not lead:
        return stacked
    return op.Transpose(stacked, perm=[*range(1, lead + 1), 0, *range(lead + 1, lead + 1 + rank)])


def unrolled_loop(walk: OnnxInterpreter, node: Node, count: int) -> list[ir.Value]:
    """The turns of a loop one after the other, for hosts that want a graph without control flow."""
    region, op, kept = node.regions[0], walk.op, []
    _, *states = (walk[v] for v in node.inputs)
    for turn in range(count):
        walk.known_values.learn_number(region.inputs[0], turn, "turn")
        walk.values.update(zip(region.inputs[1:], states, strict=True))
        with op.turn(region.inputs):
            walk.nodes(region.nodes)
            results = [walk[v] for v in region.outputs]
        states = results[: len(states)]
        kept.append(results[len(states) :])
    rows = []
    for place, value in enumerate(region.outputs[len(states) :]):
        axis = op.ints([len(value.type.lead)])
        parts = [op.Unsqueeze(row[place], axis) for row in kept]
        rows.append(
            op.Concat(*parts, axis=len(value.type.lead)) if parts else _none(op, node.outputs[len(states) + place])
        )
    if op.sizes_from(region.inputs):  # What the last turn gave has the sizes that it has after the loop.
        states = walk.leaving(states, node.outputs[: len(states)])
    return [*states, *rows]


def _none(op: OnnxBackend, rows: Value) -> ir.Value:
    """The rows of a loop without turns."""
    return op.Expand(
        op.const(0, DTYPES[rows.type.dtype].numpy()), op.shape_vector([op.resolve(s) for s in rows.type.physical])
    )


def check_extent(op: OnnxBackend, node: Node) -> None:
    """Check that a graph without loops has no more operators than can be built.

    Raises:
        MaiError: `too-deep`: it has more than `MOST_OPERATIONS` once this node is in it.
    """
    if len(op.nodes) > MOST_OPERATIONS:
        message = f"without loops this file has more than {MOST_OPERATIONS:,} operators up to here"
        help = "compile it without --unroll, or with fewer turns"
        if node.op is not Loop:
            help = "compile it without --unroll, or with smaller matrices: the rounds of a factorisation grow with their rows"
        raise MaiError([Diagnostic("too-deep", node.span, message, help=help)])
