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
from mai.compiler.ir.sizes import evaluate, symbol
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.backend import BATCH
from mai.compiler.ops.shapes.indexing import Iota

if TYPE_CHECKING:
    from mai.compiler.onnx.build import Building

AGAIN = Value(Type(DType.BOOL), "again")
ROWS = Value(Type(DType.INT, (symbol(BATCH),)), "rows")


def stops_alone(loop: Node) -> bool:
    """Whether a loop's examples stop on their own, and none is known by its number inside."""
    region = loop.regions[0]
    numbers = any(node.op is Iota and BATCH in str(node.attributes["count"]) for node in region.walk())
    return Loop.of(loop).stops and region.outputs[0].type.batched and not numbers


def going_loop(b: Building, loop: Node) -> list[ir.Value | None]:
    """The last states of all examples, None for those that nothing reads.

    The loop carries what it computes, states and what they read from outside, for some examples: which, in `rows`. Beside
    them go the states that somebody reads afterwards, for all.
    """
    op, region = b.op, loop.regions[0]
    count, *first = [b.operand(v) for v in loop.inputs]
    states, read = region.inputs[1:], [v for v in free_values(region) if v.type.batched]
    wanted = [i for i, value in enumerate(loop.outputs) if b.is_read(value)]
    held = [b.operand(v) for v in read]
    everyone = op.Range(op.int(0), op.scalar(op.resolve(symbol(BATCH))), op.int(1))
    begin = [everyone, *first, *held, *(first[i] for i in wanted)]
    carried = [ROWS, *states, *read, *(states[i] for i in wanted)]
    turn, again, rows, *inside = [b.typed(v) for v in (region.inputs[0], AGAIN, *carried)]
    given, whole = inside[: len(states) + len(read)], inside[len(states) + len(read) :]
    b.values.update(zip([region.inputs[0], *states, *read], [turn, *given], strict=True))
    with op.inside(region.inputs, batch=lambda: op.Size(rows)) as nodes:
        b.nodes(region.nodes)
        moved = [*(b.operand(v) for v in region.outputs), *given[len(states) :]]
        places = op.Unsqueeze(rows, op.ints([1]))
        whole = [op.ScatterND(all_, places, moved[i]) for all_, i in zip(whole, wanted, strict=True)]
        left = op.Reshape(op.NonZero(_examples(b, moved[0], states[0])), op.ints([-1]))
        some = [op.Gather(x, _among(b, v, left, rows), axis=0) for v, x in zip(carried, (rows, *moved), strict=False)]
        outputs = b.outputs([op.Greater(op.Size(left), 0), *some, *whole], [AGAIN, *carried])
    b.values.update(zip(read, held, strict=True))
    body = ir.Graph([turn, again, rows, *inside], outputs, nodes=nodes, name=op.name("body"))
    made = op.several("Loop", len(begin), count, op.const(True, bool), *begin, body=body)
    ended = dict(zip(wanted, made[len(begin) - len(wanted) :], strict=True))
    return [ended.get(i) for i in range(len(states))]


def _among(b: Building, value: Value, left: ir.Value, rows: ir.Value) -> ir.Value:
    """Where a value has the examples that are left: once, or in every branch, if branches of a net lie one after the other."""
    branches = evaluate(value.type.physical[0], {BATCH: 1})
    if branches == 1:
        return left
    starts = b.op.Mul(b.op.const([[i] for i in range(branches)]), b.op.Size(rows))
    made: ir.Value = b.op.Reshape(b.op.Add(starts, left), b.op.ints([-1]))
    return made


def _examples(b: Building, going: ir.Value, flag: Value) -> ir.Value:
    """Whether each example goes on: any part of it, where parts go on for themselves."""
    inner = len(flag.type.physical) - 1
    if not inner:
        return going
    numbers = b.op.Cast(going, to=int(ir.DataType.INT64))
    made: ir.Value = b.op.ReduceMax(numbers, b.op.ints([*range(1, inner + 1)]), keepdims=0)
    return made
