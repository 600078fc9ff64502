"""Functions of one element, and of elements side by side."""

from __future__ import annotations

from typing import Any, ClassVar

from mai.compiler.ir.operation import (
    Alignment,
    Case,
    Lowering,
    Operation,
    ShapeError,
    broadcast,
    case,
    describe,
    sample,
)
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import same


class Elementwise(Operation, abstract=True):
    """Inputs broadcast as numpy's do; the result has the inputs' dtype unless `result` names another."""

    alignment = Alignment.FULL
    along = staticmethod(same)
    result: ClassVar[DType | None] = None

    @classmethod
    def shape(cls, *inputs: Type, **attributes: Any) -> Type:
        shape = inputs[0].shape
        for operand, other in enumerate(inputs[1:], 1):
            joined = broadcast(shape, other.shape)
            if joined is None:
                message = f"{describe(shape)} and {describe(other.shape)} do not fit together"
                raise ShapeError("shape-mismatch", message, operand, label=describe(other.shape))
            shape = joined
        return Type(cls.result or inputs[-1].dtype, shape)


class Unary(Elementwise, abstract=True):
    cases: ClassVar[tuple[Case, ...]] = (case(sample(3, 4)), case(sample()))


class Binary(Elementwise, abstract=True):
    cases: ClassVar[tuple[Case, ...]] = (
        case(sample(3, 4), sample(3, 4)),
        case(sample(4), sample(3, 4)),
        case(sample(3, 1), sample()),
    )


INTEGERS = (case(sample(5, kind="whole"), sample(5, kind="whole")),)
QUOTIENTS = (
    case(sample(5, kind="int", high=50), sample(5, kind="natural")),
    case(sample(3, 4, kind="whole"), sample(4, kind="natural")),
    case(sample(3, 4), sample(4, kind="positive")),
)


def flat(ct: Any, y: Any, *inputs: Any) -> None:
    """The derivative of what is constant but for jumps."""


def _shared(ct: Any, larger: Any, smaller: Any) -> tuple[Any, Any]:
    """Where a maximum goes; equals share it."""
    share = larger.above(smaller) + 0.5 * larger.equals(smaller)
    return ct * share, ct * (1.0 - share)


class Add(Binary):
    """x + y."""

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

    reference: Lowering = staticmethod(lambda np, x, y: x * y)
    torch: Lowering = staticmethod(lambda torch, x, y: x * y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Mul(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct * b, ct * a))
    cases = Binary.cases + INTEGERS


class Divide(Binary):
    """x / y, of reals."""

    reference: Lowering = staticmethod(lambda np, x, y: x / y)
    torch: Lowering = staticmethod(lambda torch, x, y: x / y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.Div(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct / b, -(ct * y / b)))
    cases = (case(sample(3, 4), sample(3, 4, kind="positive")), case(sample(), sample(2, kind="positive")))


class FloorDivide(Binary):
    """floor(x / y), of whole numbers or of reals."""

    reference: Lowering = staticmethod(lambda np, x, y: x // y)
    torch: Lowering = staticmethod(lambda torch, x, y: torch.div(x, y, rounding_mode="floor"))

    @staticmethod
    def onnx(op: Any, x: Any, y: Any) -> Any:
        """A division of integers cuts towards zero, which is the floor once the remainder is taken away."""
        return op.Div(op.Sub(x, op.Mod(x, y)), y) if op.whole(x) else op.Floor(op.Div(x, y))

    derivative = staticmethod(flat)

    cases = QUOTIENTS


class Modulo(Binary):
    """x - y floor(x / y), of whole numbers or of reals: of the sign of y."""

    reference: Lowering = staticmethod(lambda np, x, y: x % y)
    torch: Lowering = staticmethod(lambda torch, x, y: x % y)

    @staticmethod
    def onnx(op: Any, x: Any, y: Any) -> Any:
        return op.Mod(x, y) if op.whole(x) else op.Sub(x, op.Mul(y, op.Floor(op.Div(x, y))))

    derivative = staticmethod(lambda ct, y, a, b: (ct, -(ct * (a / b).emit(Floor))))

    cases = QUOTIENTS


class Power(Binary):
    """x ^ y, for a positive x or a whole y."""

    reference: Lowering = staticmethod(lambda np, x, y: np.power(x, y))
    torch: Lowering = staticmethod(lambda torch, x, y: torch.pow(x, y))
    onnx: Lowering = staticmethod(lambda op, x, y: op.Pow(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct * b * a.emit(Power, b - 1.0), ct * y * a.emit(Log)))
    cases = (case(sample(3, 4, kind="positive"), sample(3, 4)), case(sample(3, kind="positive"), sample()))


class Maximum(Binary):
    """The larger of x and y."""

    reference: Lowering = staticmethod(lambda np, x, y: np.maximum(x, y))
    torch: Lowering = staticmethod(lambda torch, x, y: torch.maximum(x, y))
    onnx: Lowering = staticmethod(lambda op, x, y: op.Max(x, y))
    derivative = staticmethod(lambda ct, y, a, b: _shared(ct, a, b))
    cases = Binary.cases + INTEGERS


class Minimum(Binary):
    """The smaller of x and y."""

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

    reference: Lowering = staticmethod(lambda np, x: np.abs(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.abs(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Abs(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Sign))
    cases = (*Unary.cases, case(sample(4, kind="whole")))


class Sign(Unary):
    """-1, 0 or 1, as x is below, at or above zero."""

    reference: Lowering = staticmethod(lambda np, x: np.sign(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.sign(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sign(x))
    derivative = staticmethod(flat)


class StopGradient(Unary):
    """x, held still by derivatives."""

    reference: Lowering = staticmethod(lambda np, x: x)
    torch: Lowering = staticmethod(lambda torch, x: x.detach())
    onnx: Lowering = staticmethod(lambda op, x: x)
    derivative = staticmethod(flat)


class Floor(Unary):
    """The largest whole number that is at most x, as a real."""

    reference: Lowering = staticmethod(lambda np, x: np.floor(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.floor(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Floor(x))
    derivative = staticmethod(flat)


class Exp(Unary):
    """e ^ x."""

    reference: Lowering = staticmethod(lambda np, x: np.exp(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.exp(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Exp(x))
    derivative = staticmethod(lambda ct, y, x: ct * y)


class Log(Unary):
    """The natural logarithm."""

    reference: Lowering = staticmethod(lambda np, x: np.log(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.log(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Log(x))
    derivative = staticmethod(lambda ct, y, x: ct / x)
    cases = (case(sample(3, 4, kind="positive")),)


class Sqrt(Unary):
    """The square root."""

    reference: Lowering = staticmethod(lambda np, x: np.sqrt(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.sqrt(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sqrt(x))
    derivative = staticmethod(lambda ct, y, x: ct / (2.0 * y))
    cases = (case(sample(3, 4, kind="positive")),)


class Sin(Unary):
    """sin(x), x in radians."""

    reference: Lowering = staticmethod(lambda np, x: np.sin(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.sin(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sin(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Cos))


class Cos(Unary):
    """cos(x), x in radians."""

    reference: Lowering = staticmethod(lambda np, x: np.cos(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.cos(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Cos(x))
    derivative = staticmethod(lambda ct, y, x: -(ct * x.emit(Sin)))


class Tanh(Unary):
    """tanh(x)."""

    reference: Lowering = staticmethod(lambda np, x: np.tanh(x))
    torch: Lowering = staticmethod(lambda torch, x: torch.tanh(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Tanh(x))
    derivative = staticmethod(lambda ct, y, x: ct * (1.0 - y * y))


class Erf(Unary):
    """The error function, 2 / sqrt(pi) * the integral of exp(-t^2) from 0 to x."""

    @staticmethod
    def reference(np: Any, x: Any) -> Any:
        from math import erf

        return np.vectorize(erf, otypes=[np.float64])(x)

    torch: Lowering = staticmethod(lambda torch, x: torch.erf(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Erf(x))
    derivative = staticmethod(lambda ct, y, x: ct * (1.1283791670955126 * (-(x * x)).emit(Exp)))


class Sigmoid(Unary):
    """1 / (1 + exp(-x)), written so that it does not overflow."""

    reference: Lowering = staticmethod(lambda np, x: 0.5 * (1 + np.tanh(0.5 * x)))
    torch: Lowering = staticmethod(lambda torch, x: torch.sigmoid(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sigmoid(x))
    derivative = staticmethod(lambda ct, y, x: ct * (y * (1.0 - y)))


class Relu(Unary):
    """max(x, 0)."""

    reference: Lowering = staticmethod(lambda np, x: np.maximum(x, 0))
    torch: Lowering = staticmethod(lambda torch, x: torch.relu(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Relu(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.above(0.0))


class LeakyRelu(Unary):
    """x where it is positive, slope * x elsewhere."""

    attributes = {"slope": 0.01}
    reference: Lowering = staticmethod(lambda np, x, slope: np.where(x > 0, x, slope * x))
    torch: Lowering = staticmethod(lambda torch, x, slope: torch.nn.functional.leaky_relu(x, slope))
    onnx: Lowering = staticmethod(lambda op, x, slope: op.LeakyRelu(x, alpha=slope))
    derivative = staticmethod(lambda ct, y, x, slope: ct * (slope + (1.0 - slope) * x.above(0.0)))
    cases = (case(sample(3, 4), slope=0.2),)


class Silu(Unary):
    """x * sigmoid(x) (Elfwing et al. 2017). ONNX Runtime fuses the two operations into one."""

    reference: Lowering = staticmethod(lambda np, x: x * 0.5 * (1 + np.tanh(0.5 * x)))
    torch: Lowering = staticmethod(lambda torch, x: torch.nn.functional.silu(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Mul(x, op.Sigmoid(x)))

    @staticmethod
    def derivative(ct: Any, y: Any, x: Any) -> Any:
        s = x.emit(Sigmoid)
        return ct * (s * (1.0 + x * (1.0 - s)))


class Gelu(Unary):
    """x * Phi(x), by the usual tanh formula (Hendrycks and Gimpel 2016)."""

    reference: Lowering = staticmethod(
        lambda np, x: 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
    )
    torch: Lowering = staticmethod(lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"))
    onnx: Lowering = staticmethod(lambda op, x: op.Gelu(x, approximate="tanh"))

    @staticmethod
    def derivative(ct: Any, y: Any, x: Any) -> Any:
        t = (0.7978845608028654 * (x + 0.044715 * (x * x * x))).emit(Tanh)
        slope = 0.7978845608028654 * (1.0 + 0.134145 * (x * x))
        return ct * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)


class Softplus(Unary):
    """log(1 + exp(x))."""

    reference: Lowering = staticmethod(lambda np, x: np.logaddexp(x, 0))
    torch: Lowering = staticmethod(lambda torch, x: torch.nn.functional.softplus(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Softplus(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Sigmoid))


class ToReal(Unary):
    """A whole number, or true or false, as a real."""

    result = DType.REAL
    reference: Lowering = staticmethod(lambda np, x: x.astype(np.float64))
    torch: Lowering = staticmethod(lambda torch, x: x.float())
    onnx: Lowering = staticmethod(lambda op, x: op.Cast(x, to=1))
    cases = (case(sample(4, kind="int")), case(sample(2, 3, kind="bool")))


class ToInt(Unary):
    """A real cut down to a whole number, towards zero."""

    result = DType.INT
    reference: Lowering = staticmethod(lambda np, x: x.astype(np.int64))
    torch: Lowering = staticmethod(lambda torch, x: x.long())
    onnx: Lowering = staticmethod(lambda op, x: op.Cast(x, to=7))
