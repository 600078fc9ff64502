"""Trigonometric functions, of radians."""

from __future__ import annotations

import math

from mai.compiler.ir.operation import Lowering, case, sample
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


class Tan(Unary):
    """tan(x), x in radians."""

    function = Function("tan", Section.ELEMENTS, fold=math.tan)

    reference: Lowering = staticmethod(lambda np, x: np.tan(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.tan(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Tan(x))
    derivative = staticmethod(lambda ct, y, x: ct * (1.0 + y * y))
    cases = (case(sample(3, 4, kind="unit")), case(sample(kind="unit")))
