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
