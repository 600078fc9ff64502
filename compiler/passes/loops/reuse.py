"""What of a velocity is computed at every k-th step alone: `reusable(x)`, with `reuse = k` of the integral.

The loop of the steps carries x: x_n = x(t_n, y_n) where k divides n, else x_(n-1). That is a choice on one condition for all
examples, so a file computes x only where it is chosen (`analyses/choices.py`); torch, which it is compared with, computes
both. A method evaluates the velocity several times in a step: each evaluation of a k-th step has its own x, and the steps after
it keep the last. With k = 1 all are computed, as without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.rewrite import Copier
from mai.compiler.ir.sizes import Size
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.elementwise.arithmetic import Modulo
from mai.compiler.ops.elementwise.conversion import Reusable
from mai.compiler.passes.fill import full


class Reuse:
    """The reusable values of a velocity, while its code is copied into a step; outside of a step they are computed.

    Args:
        every: at every so many-th step they are computed.
    """

    def __init__(self, copier: Copier, field: Region, every: Size) -> None:
        self.copier, self.every = copier, every
        self.marks = [n for n in field.nodes if n.op is Reusable]
        self._kept: dict[Node, Value] = {}
        self._renews: Value | None = None

    def first(self) -> list[Value]:
        """What is kept before the first step, which reads none of it: zeros."""
        return [full(self.copier.builder, self.copier.retyped(mark.output.type), 0) for mark in self.marks]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.marks)

    @contextmanager
    def during(self, turn: Value, kept: list[Value]) -> Iterator[None]:
        """Inside, the values are those of a step: computed where it is a k-th one, else `kept`."""
        builder = self.copier.builder
        rest = builder.emit(Modulo, turn, builder.size(self.every))
        self._renews = builder.emit(logic.Equal, rest, builder.constant(0), name="renews")
        self._kept = dict(zip(self.marks, kept, strict=True))
        yield
        self._renews = None

    def kept(self) -> list[Value]:
        """The values after a step, which the next may keep."""
        return [self._kept[mark] for mark in self.marks]

    def copy(self, node: Node) -> bool:
        """The copy of a reusable value within a step; False for any other node."""
        if self._renews is None or node not in self._kept:
            return False
        builder, kept = self.copier.builder, self._kept[node]
        computed = builder.spread(self.copier[node.inputs[0]], kept.type.lead)
        value = builder.emit(logic.Where, self._renews, computed, kept, name=node.output.name)
        self._kept[node] = value
        self.copier.bind(node, value)
        return True
