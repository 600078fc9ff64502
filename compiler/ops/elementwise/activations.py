"""Activations of layers."""

from __future__ import annotations

from typing import Any

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import Function, Section, X, number
from mai.compiler.ops.elementwise.base import Unary
from mai.compiler.ops.elementwise.hyperbolic import Tanh


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
    def derivative(ct: Any, y: Any, x: Any) -> Any:
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
    def derivative(ct: Any, y: Any, x: Any) -> Any:
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
