"""Functions that jump: signs, roundings."""

from __future__ import annotations

import math

from mai.compiler.ir.operation import Lowering
from mai.compiler.ir.signature import Function, Section
from mai.compiler.ops.elementwise.base import Unary, flat


class Sign(Unary):
    """-1, 0 or 1, as x is below, at or above zero."""

    function = Function("sign", Section.ELEMENTS)

    reference: Lowering = staticmethod(lambda np, x: np.sign(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.sign(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sign(x))
    derivative = staticmethod(flat)


class Floor(Unary):
    """The largest whole number that is at most x, as a real."""

    function = Function("floor", Section.ELEMENTS, fold=math.floor)

    reference: Lowering = staticmethod(lambda np, x: np.floor(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.floor(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Floor(x))
    derivative = staticmethod(flat)
