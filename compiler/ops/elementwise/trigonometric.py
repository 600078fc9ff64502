"""Trigonometric functions, of radians."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import Function, Section, tensor
from mai.compiler.ops.backends import Onnx, V
from mai.compiler.ops.elementwise.base import Binary, Unary
from mai.compiler.ops.elementwise.exponential import Sqrt

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


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


class Arctan(Unary):
    """The angle between -pi/2 and pi/2 whose tangent is x."""

    function = Function("arctan", Section.ELEMENTS, fold=math.atan)

    reference: Lowering = staticmethod(lambda np, x: np.arctan(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.atan(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Atan(x))
    derivative = staticmethod(lambda ct, y, x: ct / (1.0 + x * x))


class Arcsin(Unary):
    """The angle between -pi/2 and pi/2 whose sine is x, for x from -1 to 1."""

    steep = {0: 0.0}

    function = Function("arcsin", Section.ELEMENTS, fold=math.asin)

    reference: Lowering = staticmethod(lambda np, x: np.arcsin(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.asin(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Asin(x))
    derivative = staticmethod(lambda ct, y, x: ct / (1.0 - x * x).emit(Sqrt))
    cases = (case(sample(3, 4, kind="unit")), case(sample(kind="unit")))
    extremes = (((-1.0, -0.5, 0.0, 0.5, 1.0),),)


class Arccos(Unary):
    """The angle between 0 and pi whose cosine is x, for x from -1 to 1."""

    steep = {0: 0.0}

    function = Function("arccos", Section.ELEMENTS, fold=math.acos)

    reference: Lowering = staticmethod(lambda np, x: np.arccos(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.acos(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Acos(x))
    derivative = staticmethod(lambda ct, y, x: -ct / (1.0 - x * x).emit(Sqrt))
    cases = (case(sample(3, 4, kind="unit")), case(sample(kind="unit")))
    extremes = (((-1.0, -0.5, 0.0, 0.5, 1.0),),)


class Arctan2(Binary):
    """The angle of the point (x, y) from the x axis, between -pi and pi; 0 where both are 0. The sign of a zero says nothing."""

    steep = {1: 1.0}

    function = Function(
        "arctan2",
        Section.ELEMENTS,
        (tensor("y"), tensor("x")),
        fold=math.atan2,
    )

    reference: Lowering = staticmethod(lambda np, y, x: np.arctan2(y + 0.0, x + 0.0))
    torch: Lowering = staticmethod(lambda torch, y, x: torch.atan2(y + 0.0, x + 0.0))

    @staticmethod
    def onnx(op: Onnx[V], y: V, x: V) -> V:
        """The angle in the first eighth of the circle, then mirrored at the diagonal and at both axes."""
        height, width = op.Abs(y), op.Abs(x)
        longer = op.Max(height, width)
        angle = op.Atan(op.Div(op.Min(height, width), op.Where(op.Greater(longer, 0.0), longer, 1.0)))
        angle = op.Where(op.Greater(height, width), op.Sub(math.pi / 2, angle), angle)
        angle = op.Where(op.Less(x, 0.0), op.Sub(math.pi, angle), angle)
        return op.Where(op.Less(y, 0.0), op.Neg(angle), angle)

    @staticmethod
    def derivative(ct: Term, angle: Term, y: Term, x: Term) -> tuple[Term, Term]:
        """At the origin there is none, and it is taken as 0."""
        square = x * x + y * y
        slope = ct / (square + square.equals(0.0))
        return slope * x, -(slope * y)

    extremes = (
        (
            (0.0, 0.0, 0.0, 1.0, -1.0, 1.0, -1.0, 2.0, -2.0, 1e-30, 1e30),
            (0.0, 1.0, -1.0, 0.0, 0.0, 1.0, -1.0, -1.0, 1.0, -1e30, 1e-30),
        ),
    )
