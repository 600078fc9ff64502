"""Which values depend on which, as far as derivatives care: real values, loops followed until nothing changes."""

from __future__ import annotations

from collections.abc import Iterable

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.rewrite import reading
from mai.compiler.ir.structure import FixedPoint, Loop
from mai.compiler.ir.types import DType


def is_real(value: Value) -> bool:
    """Whether a value holds real numbers, which alone have derivatives."""
    return value.type.dtype is DType.REAL


def dependent(nodes: Iterable[Node], sources: Iterable[Value]) -> set[Value]:
    """The sources, and the real values that depend on them."""
    values = set(sources)
    for node in nodes:
        read = reading(node) if node.op is FixedPoint else node.inputs
        flags = moving(node, values) if node.op is Loop else [any(v in values for v in read)] * len(node.outputs)
        values.update(v for v, moves in zip(node.outputs, flags, strict=True) if moves and is_real(v))
    return values


def moving(loop: Node, sources: set[Value]) -> list[bool]:
    """Which outputs of a loop depend on the values found: a least fixed point over its states."""
    body, states = loop.regions[0], len(loop.inputs) - 1
    flags = [v in sources for v in loop.inputs[1:]]
    while True:
        moving_states = {v for v, moves in zip(body.inputs[1:], flags, strict=True) if moves and is_real(v)}
        inside = dependent(body.nodes, sources | moving_states)
        ended = [v in inside for v in body.outputs]
        after = [before or now for before, now in zip(flags, ended, strict=False)]
        if after == flags:
            return [m and is_real(v) for m, v in zip([*flags, *ended[states:]], loop.outputs, strict=True)]
        flags = after
