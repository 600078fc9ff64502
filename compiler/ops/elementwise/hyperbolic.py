"""Hyperbolic functions."""

from __future__ import annotations

import math

from mai.compiler.ir.operation import Lowering
from mai.compiler.ir.signature import Function, Section
from mai.compiler.ops.elementwise.base import Unary


class Tanh(Unary):
    """tanh(x)."""

    function = Function("tanh", Section.ELEMENTS, fold=math.tanh)

    reference: Lowering = staticmethod(lambda np, x: np.tanh(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.tanh(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Tanh(x))
    derivative = staticmethod(lambda ct, y, x: ct * (1.0 - y * y))


class Sinh(Unary):
    """(e^x - e^-x) / 2."""

    steep = {0: 0.0}

    function = Function("sinh", Section.ELEMENTS, fold=math.sinh)

    reference: Lowering = staticmethod(lambda np, x: np.sinh(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.sinh(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sinh(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Cosh))


class Cosh(Unary):
    """(e^x + e^-x) / 2."""

    steep = {0: 0.0}

    function = Function("cosh", Section.ELEMENTS, fold=math.cosh)

    reference: Lowering = staticmethod(lambda np, x: np.cosh(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.cosh(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Cosh(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Sinh))
