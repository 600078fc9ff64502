"""Powers of e and their like: exp, log, the square root, the error function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import Function, Section
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise.base import Unary


class Exp(Unary):
    """e ^ x."""

    steep = {0: 0.0}

    function = Function("exp", Section.ELEMENTS, fold=math.exp)

    reference: Lowering = staticmethod(lambda np, x: np.exp(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.exp(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Exp(x))
    derivative = staticmethod(lambda ct, y, x: ct * y)


class Log(Unary):
    """The natural logarithm."""

    steep = {0: 1.0}

    function = Function("log", Section.ELEMENTS, fold=math.log)

    reference: Lowering = staticmethod(lambda np, x: np.log(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.log(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Log(x))
    derivative = staticmethod(lambda ct, y, x: ct / x)
    cases = (case(sample(3, 4, kind="positive")),)


class Sqrt(Unary):
    """The square root."""

    steep = {0: 1.0}

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
    def reference(np: Arrays, x: Tensor) -> Tensor:
        from math import erf

        of_elements = cast(Callable[[Tensor], Tensor], np.vectorize(erf, otypes=["float64"]))
        return of_elements(x)

    torch: Lowering = staticmethod(lambda torch, x: torch.erf(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Erf(x))
    derivative = staticmethod(lambda ct, y, x: ct * (1.1283791670955126 * (-(x * x)).emit(Exp)))


class Log1p(Unary):
    """log(1 + x), with all digits where x is near 0."""

    steep = {0: 0.0}

    function = Function("log1p", Section.ELEMENTS, fold=math.log1p)

    reference: Lowering = staticmethod(lambda np, x: np.log1p(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.log1p(x))

    @staticmethod
    def onnx(op: Onnx[V], x: V) -> V:
        """By the rounded u = 1 + x: log(u) x / (u - 1), where the roundings cancel (Higham 2002, problem 1.5)."""
        u = op.Add(x, 1.0)
        rounded = op.Sub(u, 1.0)
        ratio = op.Where(op.Equal(rounded, x), 1.0, op.Div(x, rounded))  # Of an infinite x, too.
        return op.Where(op.Equal(rounded, 0.0), x, op.Mul(op.Log(u), ratio))

    derivative = staticmethod(lambda ct, y, x: ct / (1.0 + x))
    cases = (case(sample(3, 4, kind="positive")), case(sample(kind="positive")))
    extremes = (((-0.99, -1e-6, -1e-12, 0.0, 1e-12, 1e-6, 1.0, 1e20, 3e38),),)


class Expm1(Unary):
    """e^x - 1, with all digits where x is near 0."""

    steep = {0: 0.0}

    function = Function("expm1", Section.ELEMENTS, fold=math.expm1)

    reference: Lowering = staticmethod(lambda np, x: np.expm1(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.expm1(x))

    @staticmethod
    def onnx(op: Onnx[V], x: V) -> V:
        """tanh(x / 2) (e^x + 1)."""
        return op.Mul(op.Tanh(op.Mul(x, 0.5)), op.Add(op.Exp(x), 1.0))

    derivative = staticmethod(lambda ct, y, x: ct * (y + 1.0))
    extremes = (((-1e4, -20.0, -1e-6, -1e-12, 0.0, 1e-12, 1e-6, 1.0, 20.0),),)
