"""A stack: the values of several branches as one, along the batch axis."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import BATCH_DEPTH, Axis, Type

Key = Hashable


@dataclass(eq=False, slots=True)
class Stack:
    """The values of `count` branches one after the other along the batch axis."""

    value: Value
    count: int


Places = Mapping[Value, tuple[Stack, int]]


def branches_axis(size: Size) -> Axis:
    """The lead axis of a stack, in the place of the batch."""
    return Axis("branches", size, BATCH_DEPTH)


def inner_lead(type: Type) -> tuple[Axis, ...]:
    """The lead axes without the batch's."""
    return type.lead[1:] if type.batched else type.lead
