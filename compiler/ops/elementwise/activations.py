"""Activations of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import Function, Section, X, number
from mai.compiler.ops.elementwise.base import Unary
from mai.compiler.ops.elementwise.hyperbolic import Tanh
from mai.compiler.ops.elementwise.logic import Greater

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


class Sigmoid(Unary):
    """1 / (1 + exp(-x)), written so that it does not overflow."""

    function = Function("sigmoid", Section.ELEMENTS)

    reference: Lowering = staticmethod(lambda np, x: 0.5 * (1 + np.tanh(0.5 * x)))
    torch: Lowering = staticmethod(lambda torch, x: torch.sigmoid(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Sigmoid(x))
    derivative = staticmethod(lambda ct, y, x: ct * (y * (1.0 - y)))


class Relu(Unary):
    """max(x, 0)."""

    function = Function("relu", Section.ELEMENTS)

    reference: Lowering = staticmethod(lambda np, x: np.maximum(x, 0))
    torch: Lowering = staticmethod(lambda torch, x: torch.relu(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Relu(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.above(0.0))


class LeakyRelu(Unary):
    """x where it is positive, slope * x elsewhere."""

    function = Function(
        "leaky_relu",
        Section.ELEMENTS,
        (X, number("slope")),
        says="x where it is positive, slope * x elsewhere; slope = 0.01.",
    )

    attributes = {"slope": 0.01}
    reference: Lowering = staticmethod(lambda np, x, slope: np.where(x > 0, x, slope * x))
    torch: Lowering = staticmethod(lambda torch, x, slope: torch.nn.functional.leaky_relu(x, slope))
    onnx: Lowering = staticmethod(lambda op, x, slope: op.LeakyRelu(x, alpha=slope))
    derivative = staticmethod(lambda ct, y, x, slope: ct * (slope + (1.0 - slope) * x.above(0.0)))
    cases = (case(sample(3, 4), slope=0.2),)


class Silu(Unary):
    """x * sigmoid(x) (Elfwing et al. 2017). ONNX Runtime fuses the two operations into one."""

    function = Function("silu", Section.ELEMENTS, says="x * sigmoid(x) (Elfwing et al. 2017).")

    reference: Lowering = staticmethod(lambda np, x: x * 0.5 * (1 + np.tanh(0.5 * x)))
    torch: Lowering = staticmethod(lambda torch, x: torch.nn.functional.silu(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Mul(x, op.Sigmoid(x)))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term) -> Term:
        s = x.emit(Sigmoid)
        return ct * (s * (1.0 + x * (1.0 - s)))


class Gelu(Unary):
    """x * Phi(x), by the usual tanh formula (Hendrycks and Gimpel 2016)."""

    function = Function("gelu", Section.ELEMENTS)

    reference: Lowering = staticmethod(
        lambda np, x: 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))
    )
    torch: Lowering = staticmethod(lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"))
    onnx: Lowering = staticmethod(lambda op, x: op.Gelu(x, approximate="tanh"))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term) -> Term:
        t = (0.7978845608028654 * (x + 0.044715 * (x * x * x))).emit(Tanh)
        slope = 0.7978845608028654 * (1.0 + 0.134145 * (x * x))
        return ct * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * slope)


class Softplus(Unary):
    """log(1 + exp(x))."""

    function = Function("softplus", Section.ELEMENTS)

    reference: Lowering = staticmethod(lambda np, x: np.logaddexp(x, 0))
    torch: Lowering = staticmethod(lambda torch, x: torch.nn.functional.softplus(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Softplus(x))
    derivative = staticmethod(lambda ct, y, x: ct * x.emit(Sigmoid))


class Elu(Unary):
    """x where it is positive, alpha * (e^x - 1) elsewhere (Clevert et al. 2016)."""

    function = Function(
        "elu",
        Section.ELEMENTS,
        (X, number("alpha")),
        says="x where it is positive, alpha * (e^x - 1) elsewhere (Clevert et al. 2016); alpha = 1.",
    )

    attributes = {"alpha": 1.0}
    reference: Lowering = staticmethod(
        lambda np, x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0)),
    )
    torch: Lowering = staticmethod(lambda torch, x, alpha: torch.nn.functional.elu(x, alpha))
    onnx: Lowering = staticmethod(lambda op, x, alpha: op.Elu(x, alpha=alpha))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, alpha: float) -> Term:
        return ct * x.emit(Greater, 0.0).where(1.0, y + alpha)

    cases = (case(sample(3, 4)), case(sample(3, 4), alpha=0.5))
    extremes = (((-1e4, -20.0, -1e-6, 0.0, 1e-6, 1e4),),)


class Selu(Unary):
    """1.0507 times `elu` with alpha = 1.6733, which keeps mean 0 and variance 1 (Klambauer et al. 2017)."""

    function = Function("selu", Section.ELEMENTS)

    reference: Lowering = staticmethod(
        lambda np, x: SELU_SCALE * (np.maximum(x, 0) + SELU_ALPHA * np.expm1(np.minimum(x, 0)))
    )
    torch: Lowering = staticmethod(lambda torch, x: torch.selu(x))
    onnx: Lowering = staticmethod(lambda op, x: op.Selu(x, alpha=SELU_ALPHA, gamma=SELU_SCALE))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term) -> Term:
        return ct * x.emit(Greater, 0.0).where(SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)

    extremes = (((-1e4, -20.0, -1e-6, 0.0, 1e-6, 1e4),),)
