"""How far a loop's condition is from saying otherwise: the differences of the numbers that it compares."""

from __future__ import annotations

from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.rewrite import Copier
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise import Subtract
from mai.compiler.ops.elementwise.logic import Comparison


def emit_margins(copier: Copier, body: Region) -> list[Value]:
    """The difference of each two real numbers whose comparison decides a body's first output, as code of its copy."""
    return [copier.builder.emit(Subtract, copier[a], copier[b], name="margin") for a, b in _compared(body)]


def _compared(body: Region) -> list[tuple[Value, Value]]:
    pairs, seen, left = [], set(body.inputs), [body.outputs[0]]
    while left:
        value = left.pop()
        if value in seen or value.producer is None or value.producer not in body.nodes:
            continue
        seen.add(value)
        node = value.producer
        if issubclass(node.op, Comparison) and node.inputs[0].type.dtype is DType.REAL:
            pairs.append((node.inputs[0], node.inputs[1]))
        left += node.inputs
    return pairs
