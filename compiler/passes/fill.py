"""Tensors of one number, of the type of a value."""

from __future__ import annotations

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.shapes.shape import Expand

KINDS: dict[DType, type[bool | int | float]] = {DType.BOOL: bool, DType.INT: int, DType.REAL: float}


def full(b: Builder, type: Type, number: float, *growing: Size) -> Value:
    """The initial value of a state: filled with a number, of size 0 along the axes whose size grows."""
    shape = tuple(0 if s in growing else s for s in type.shape)
    fill = b.constant(KINDS[type.dtype](number), type.dtype)
    return b.spread(b.emit(Expand, fill, shape=shape) if shape else fill, type.lead)
