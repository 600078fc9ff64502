"""Values of an ONNX graph with Python's arithmetic operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from mai.compiler.ops.backends import Number

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.backend import OnnxBackend


class Wrapped:
    """A value with the operators that draws and sizes are written in; a partner of numbers is one, too.

    Numbers become constants of `rank` axes of one element; `whole` is the dtype of those that are whole.
    """

    def __init__(self, op: OnnxBackend, value: ir.Value, rank: int = 0, whole: str = "int64") -> None:
        self.op, self.value, self.rank, self.dtype = op, value, rank, whole

    def _with(self, operator: str, other: Number[ir.Value] | float) -> Wrapped:
        if isinstance(other, (int, float)):
            dtype = "float32" if isinstance(other, float) else self.dtype
            partner = self.op.const(np.reshape(other, (1,) * self.rank), dtype)
        else:
            partner = other.value
        return Wrapped(self.op, self.op.make(operator, self.value, partner), self.rank, self.dtype)

    def __add__(self, other: Number[ir.Value] | float) -> Wrapped:
        return self._with("Add", other)

    def __sub__(self, other: Number[ir.Value] | float) -> Wrapped:
        return self._with("Sub", other)

    def __mul__(self, other: Number[ir.Value] | float) -> Wrapped:
        return self._with("Mul", other)

    def __floordiv__(self, other: Number[ir.Value] | int) -> Wrapped:
        return self._with("Div", other)

    def __rshift__(self, bits: int) -> Wrapped:
        """A quotient by 2^bits: ONNX shifts unsigned integers only."""
        return self._with("Div", 1 << bits)

    def __and__(self, other: Number[ir.Value] | int) -> Wrapped:
        return self._with("BitwiseAnd", other)

    def __xor__(self, other: Number[ir.Value] | int) -> Wrapped:
        return self._with("BitwiseXor", other)

    __radd__ = __add__
    __rmul__ = __mul__
