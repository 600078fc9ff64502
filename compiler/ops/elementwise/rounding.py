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
    torch: Lowering = staticmethod(lambda torch, x: torch.where(x == x, torch.sign(x), x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sign(x))
    derivative = staticmethod(flat)


class Floor(Unary):
    """The largest whole number that is at most x, as a real."""

    function = Function("floor", Section.ELEMENTS, fold=math.floor)

    reference: Lowering = staticmethod(lambda np, x: np.floor(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.floor(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Floor(x))
    derivative = staticmethod(flat)


class Ceil(Unary):
    """The smallest whole number that is at least x, as a real."""

    function = Function("ceil", Section.ELEMENTS, fold=math.ceil)

    reference: Lowering = staticmethod(lambda np, x: np.ceil(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.ceil(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Ceil(x))
    derivative = staticmethod(flat)
    extremes = (((-2.5, -2.0, -0.1, 0.0, 0.1, 2.0, 2.5),),)


class Round(Unary):
    """The whole number nearest to x, as a real; of two as near, the even one."""

    function = Function("round", Section.ELEMENTS, fold=round)

    reference: Lowering = staticmethod(lambda np, x: np.round(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.round(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Round(x))
    derivative = staticmethod(flat)
    extremes = (((-2.5, -1.5, -0.5, -0.4, 0.0, 0.5, 1.5, 2.5, 3.5),),)


ROUNDINGS = (Floor, Ceil, Round)
