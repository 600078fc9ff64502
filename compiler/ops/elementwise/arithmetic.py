"""Arithmetic: sums, products, powers, the larger and the smaller."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import NUMBERS, Function, Kind, Section, tensor
from mai.compiler.ops.backends import Onnx, V
from mai.compiler.ops.elementwise.base import INTEGERS, Binary, Unary, flat
from mai.compiler.ops.elementwise.exponential import Log
from mai.compiler.ops.elementwise.rounding import Sign

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

ALIKE = (tensor("x", Kind.ALIKE), tensor("y", Kind.ALIKE))
QUOTIENTS = (
    case(sample(5, kind="int", high=50), sample(5, kind="natural")),
    case(sample(3, 4, kind="whole"), sample(4, kind="natural")),
    case(sample(3, 4), sample(4, kind="positive")),
)

NEAR_WHOLE = (((-2.1, -0.7, 0.0, 0.7, 1.4, 2.1, 4.9, 6.3, 1e-30, 3e7), (0.7,)), ((2.1, -2.1, 1e-30, -1e-30), (-0.7,)))


def share_of(larger: Term, smaller: Term) -> Term:
    """1 where the one is larger, 1/2 where both are equal, 0 where it is smaller."""
    return larger.above(smaller) + 0.5 * larger.equals(smaller)


def _shared(ct: Term, larger: Term, smaller: Term) -> tuple[Term, Term]:
    """Where a maximum goes; equals share it."""
    share = share_of(larger, smaller)
    return ct * share, ct * (1.0 - share)


class Add(Binary):
    """x + y."""

    commutes = True

    reference: Lowering = staticmethod(lambda np, x, y: x + y)
    torch: Lowering = staticmethod(lambda torch, x, y: x + y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Add(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct, ct))
    cases = Binary.cases + INTEGERS


class Subtract(Binary):
    """x - y."""

    reference: Lowering = staticmethod(lambda np, x, y: x - y)
    torch: Lowering = staticmethod(lambda torch, x, y: x - y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Sub(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct, -ct))
    cases = Binary.cases + INTEGERS


class Multiply(Binary):
    """x * y."""

    commutes = True

    reference: Lowering = staticmethod(lambda np, x, y: x * y)
    torch: Lowering = staticmethod(lambda torch, x, y: x * y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Mul(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct * b, ct * a))
    cases = Binary.cases + INTEGERS


class Divide(Binary):
    """x / y, of reals."""

    steep = {1: 1.0}

    reference: Lowering = staticmethod(lambda np, x, y: x / y)
    torch: Lowering = staticmethod(lambda torch, x, y: x / y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Div(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct / b, -(ct * y / b)))
    cases = (case(sample(3, 4), sample(3, 4, kind="positive")), case(sample(), sample(2, kind="positive")))


def _rest(op: Onnx[V], x: V, y: V) -> tuple[V, V]:
    """What C's fmod leaves of a real x, which is exact and of the sign of x, and whether y has the other sign."""
    rest = op.Mod(x, y, fmod=1)
    return rest, op.Less(op.Mul(rest, op.Sign(y)), 0.0)


class FloorDivide(Binary):
    """floor(x / y), of whole numbers or of reals."""

    reference: Lowering = staticmethod(lambda np, x, y: x // y)
    torch: Lowering = staticmethod(lambda torch, x, y: torch.div(x, y, rounding_mode="floor"))

    @staticmethod
    def onnx(op: Onnx[V], x: V, y: V) -> V:
        """A division of integers cuts towards zero, which is the floor once the remainder is taken away.

        A quotient of reals is rounded, perhaps up to the next whole number, so that its floor would be one too many.
        """
        if op.whole(x):
            return op.Div(op.Sub(x, op.Mod(x, y)), y)
        rest, is_other = _rest(op, x, y)
        parts = op.Round(op.Div(op.Sub(x, rest), y))
        return op.Where(op.Equal(y, 0.0), op.Div(x, y), op.Where(is_other, op.Sub(parts, 1.0), parts))

    derivative = staticmethod(flat)

    cases = QUOTIENTS
    extremes = (*NEAR_WHOLE, ((-1.0, 1.0), (math.inf,)))


class Modulo(Binary):
    """x - y floor(x / y), of whole numbers or of reals: of the sign of y."""

    steep = {1: 1.0}

    reference: Lowering = staticmethod(lambda np, x, y: x % y)
    torch: Lowering = staticmethod(lambda torch, x, y: x % y)

    @staticmethod
    def onnx(op: Onnx[V], x: V, y: V) -> V:
        if op.whole(x):
            return op.Mod(x, y)
        rest, is_other = _rest(op, x, y)
        return op.Where(is_other, op.Add(rest, y), rest)

    derivative = staticmethod(lambda ct, y, a, b: (ct, -(ct * a.emit(FloorDivide, b))))

    cases = QUOTIENTS
    extremes = NEAR_WHOLE


class Power(Binary):
    """x ^ y, for a positive x or a whole y."""

    steep = {0: 1.0}

    reference: Lowering = staticmethod(lambda np, x, y: np.power(x, y))
    torch: Lowering = staticmethod(lambda torch, x, y: torch.pow(x, y))
    onnx: Lowering = staticmethod(lambda op, x, y: op.Pow(x, y))

    @staticmethod
    def derivative(ct: Term, y: Term, a: Term, b: Term) -> tuple[Term, Callable[[], Term]]:
        """Of a by b a^(b - 1), which is 0 where b is 0, whatever a is; of b by y log(a), which is 0 where y is 0."""
        lower = b - 1.0 + b.equals(0.0)
        return ct * b * a.emit(Power, lower), lambda: ct * y * (a + y.equals(0.0)).emit(Log)

    cases = (case(sample(3, 4, kind="positive"), sample(3, 4)), case(sample(3, kind="positive"), sample()))


class Maximum(Binary):
    """The larger of x and y."""

    function = Function("maximum", Section.ELEMENTS, ALIKE, fold=max)
    chosen = (0, 1)

    reference: Lowering = staticmethod(lambda np, x, y: np.maximum(x, y))
    torch: Lowering = staticmethod(lambda torch, x, y: torch.maximum(x, y))
    onnx: Lowering = staticmethod(lambda op, x, y: op.Max(x, y))
    derivative = staticmethod(lambda ct, y, a, b: _shared(ct, a, b))
    cases = Binary.cases + INTEGERS


class Minimum(Binary):
    """The smaller of x and y."""

    function = Function("minimum", Section.ELEMENTS, ALIKE, fold=min)
    chosen = (0, 1)

    reference: Lowering = staticmethod(lambda np, x, y: np.minimum(x, y))
    torch: Lowering = staticmethod(lambda torch, x, y: torch.minimum(x, y))
    onnx: Lowering = staticmethod(lambda op, x, y: op.Min(x, y))
    derivative = staticmethod(lambda ct, y, a, b: _shared(ct, -a, -b))
    cases = Binary.cases + INTEGERS


class Negative(Unary):
    """-x."""

    reference: Lowering = staticmethod(lambda np, x: -x)
    torch: Lowering = staticmethod(lambda torch, x: -x)
    onnx: Lowering = staticmethod(lambda op, x: op.Neg(x))
    derivative = staticmethod(lambda ct, y, x: -ct)
    cases = (*Unary.cases, case(sample(4, kind="whole")))


class Absolute(Unary):
    """|x|."""

    function = Function("abs", Section.ELEMENTS, (NUMBERS,), fold=abs)

    reference: Lowering = staticmethod(lambda np, x: np.abs(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.abs(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Abs(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Sign))
    cases = (*Unary.cases, case(sample(4, kind="whole")))
