"""Trigonometric functions, of radians."""

from __future__ import annotations

import math

from mai.compiler.ir.operation import Lowering
from mai.compiler.ir.signature import Function, Section
from mai.compiler.ops.elementwise.base import Unary


class Sin(Unary):
    """sin(x), x in radians."""

    function = Function("sin", Section.ELEMENTS, fold=math.sin)

    reference: Lowering = staticmethod(lambda np, x: np.sin(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.sin(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sin(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Cos))


class Cos(Unary):
    """cos(x), x in radians."""

    function = Function("cos", Section.ELEMENTS, fold=math.cos)

    reference: Lowering = staticmethod(lambda np, x: np.cos(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.cos(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Cos(x))
    derivative = staticmethod(lambda ct, y, x: -(ct * x.emit(Sin)))
