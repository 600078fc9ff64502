"""Powers of e and their like: exp, log, the square root, the error function."""

from __future__ import annotations

import math
from typing import Any

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import Function, Section
from mai.compiler.ops.elementwise.base import Unary


class Exp(Unary):
    """e ^ x."""

    function = Function("exp", Section.ELEMENTS, fold=math.exp)

    reference: Lowering = staticmethod(lambda np, x: np.exp(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.exp(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Exp(x))
    derivative = staticmethod(lambda ct, y, x: ct * y)


class Log(Unary):
    """The natural logarithm."""

    function = Function("log", Section.ELEMENTS, fold=math.log)

    reference: Lowering = staticmethod(lambda np, x: np.log(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.log(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Log(x))
    derivative = staticmethod(lambda ct, y, x: ct / x)
    cases = (case(sample(3, 4, kind="positive")),)


class Sqrt(Unary):
    """The square root."""

    function = Function("sqrt", Section.ELEMENTS, fold=math.sqrt)

    reference: Lowering = staticmethod(lambda np, x: np.sqrt(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.sqrt(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sqrt(x))
    derivative = staticmethod(lambda ct, y, x: ct / (2.0 * y))
    cases = (case(sample(3, 4, kind="positive")),)


class Erf(Unary):
    """The error function, 2 / sqrt(pi) * the integral of exp(-t^2) from 0 to x."""

    function = Function("erf", Section.ELEMENTS)

    @staticmethod
    def reference(np: Any, x: Any) -> Any:
        from math import erf

        return np.vectorize(erf, otypes=[np.float64])(x)

    torch: Lowering = staticmethod(lambda torch, x: torch.erf(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Erf(x))
    derivative = staticmethod(lambda ct, y, x: ct * (1.1283791670955126 * (-(x * x)).emit(Exp)))
