"""Loops whose examples stop on their own: who has stopped is not computed any more.

After every turn what became of the examples is put in its place, and the turns go on with those that have not stopped. So the
work is that of the examples, not that of the slowest one times their number. It costs some fifteen small operators a turn:
less than a branch would that is taken now and then, and in a loop of loops the runtime would no longer have the body's
matrices packed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.rewrite import free_values
from mai.compiler.ir.sizes import evaluate, symbol, symbols
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.lowering.backend import BATCH, OnnxBackend
from mai.compiler.onnx.lowering.loops import stacked
from mai.compiler.onnx.lowering.nodes import DTYPES
from mai.compiler.ops.shapes.indexing import Iota

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.interpreter import OnnxInterpreter

AGAIN = Value(Type(DType.BOOL), "again")
ROWS = Value(Type(DType.INT, (symbol(BATCH),)), "rows")


def stops_alone(loop: Node) -> bool:
    """Whether the examples of a loop that stops do so on their own, and none is known by its number inside.

    They are those of the whole batch: of a group of them, as texts are computed anew, all are computed.
    """
    region = loop.regions[0]
    going = region.outputs[0].type if region.outputs else None
    if going is None or not going.batched or symbols(going.physical[0]) != {BATCH}:
        return False
    numbers = any(node.op is Iota and BATCH in str(node.attributes["count"]) for node in region.walk())
    return not numbers


def compacted_loop(walk: OnnxInterpreter, loop: Node) -> list[ir.Value]:
    """The last states of all examples, and the rows kept; states that nothing reads afterwards stay as they were at first.

    The loop carries what it computes, states and what they read from outside, for some examples: which, in `rows`. Beside
    them go the states that somebody reads afterwards, for all.
    """
    op, region = walk.op, loop.regions[0]
    count, *first = (walk[v] for v in loop.inputs)
    states, outer = region.inputs[1:], [v for v in free_values(region) if v.type.batched]
    kept_values = region.outputs[len(states) :]
    wanted = [i for i, value in enumerate(loop.outputs[: len(states)]) if walk.is_read(value)]
    outer_values = [walk[v] for v in outer]
    nothing = [_nothing(op, v) for v in kept_values]
    everyone = op.Range(op.int(0), op.scalar(op.resolve(symbol(BATCH))), op.int(1))
    begin = [everyone, *first, *outer_values, *(first[i] for i in wanted)]
    carried = [ROWS, *states, *outer, *(states[i] for i in wanted)]
    turn, again, rows, *inside = (walk.typed(v) for v in (region.inputs[0], AGAIN, *carried))
    some, whole = inside[: len(states) + len(outer)], inside[len(states) + len(outer) :]
    with op.inside(region.inputs, batch=lambda: op.Size(rows)) as nodes:
        walk.values.update(zip(outer, some[len(states) :], strict=True))
        results = walk.body(region, [turn, *some[: len(states)]])
        moved = [*results[: len(states)], *some[len(states) :]]
        places = op.Unsqueeze(rows, op.ints([1]))
        whole = [op.ScatterND(everywhere, places, moved[i]) for everywhere, i in zip(whole, wanted, strict=True)]
        of_turn = [
            x if empty is None else op.ScatterND(empty, places, x)
            for x, empty in zip(results[len(states) :], nothing, strict=True)
        ]
        left = op.Reshape(op.NonZero(_examples(op, moved[0], states[0])), op.ints([-1]))
        kept = [op.Gather(x, among(op, v, left, rows), axis=0) for v, x in zip(carried, (rows, *moved), strict=False)]
        leaving = [op.Greater(op.Size(left), 0), *kept, *whole, *of_turn]
        outputs = walk.leaving(leaving, [AGAIN, *carried, *kept_values])
    walk.values.update(zip(outer, outer_values, strict=True))
    body = ir.Graph([turn, again, rows, *inside], outputs, nodes=nodes, name=op.name("body"))
    results = op.several("Loop", len(begin) + len(nothing), count, op.goes_on, *begin, body=body)
    last = dict(zip(wanted, results[len(begin) - len(wanted) : len(begin)], strict=True))
    states_at_end = [last.get(i, state) for i, state in enumerate(first)]
    return states_at_end + stacked(op, results[len(begin) :], kept_values, count, Loop.of(loop))


def _nothing(op: OnnxBackend, value: Value) -> ir.Value | None:
    """Zeros for all examples, in the place of what a turn does not compute of those that have stopped; None for what is no example's."""
    if not value.type.batched:
        return None
    zero = op.const(0, DTYPES[value.type.dtype].numpy())
    return op.Expand(zero, op.shape_vector([op.resolve(s) for s in value.type.physical]))


def among(op: OnnxBackend, value: Value, left: ir.Value, rows: ir.Value) -> ir.Value:
    """Where a value has the examples that are left: once, or in every branch, if branches of a net lie one after the other."""
    branches = evaluate(value.type.physical[0], {BATCH: 1})
    if branches == 1:
        return left
    starts = op.Mul(op.const([[i] for i in range(branches)]), op.Size(rows))
    return op.Reshape(op.Add(starts, left), op.ints([-1]))


def _examples(op: OnnxBackend, going: ir.Value, flag: Value) -> ir.Value:
    """Whether each example goes on: any part of it, where parts go on for themselves."""
    inner = len(flag.type.physical) - 1
    if not inner:
        return going
    numbers = op.Cast(going, to=int(ir.DataType.INT64))
    return op.ReduceMax(numbers, op.ints([*range(1, inner + 1)]), keepdims=0)
