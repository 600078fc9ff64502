"""Functions of one element, and of elements side by side: a file a family."""

from mai.compiler.ops.elementwise.activations import Gelu, LeakyRelu, Relu, Sigmoid, Silu, Softplus
from mai.compiler.ops.elementwise.arithmetic import (
    Absolute,
    Add,
    Divide,
    FloorDivide,
    Maximum,
    Minimum,
    Modulo,
    Multiply,
    Negative,
    Power,
    Subtract,
)
from mai.compiler.ops.elementwise.base import Binary, Elementwise, Unary
from mai.compiler.ops.elementwise.conversion import Place, StopGradient, ToInt, ToReal
from mai.compiler.ops.elementwise.exponential import Erf, Exp, Log, Sqrt
from mai.compiler.ops.elementwise.hyperbolic import Tanh
from mai.compiler.ops.elementwise.rounding import Floor, Sign
from mai.compiler.ops.elementwise.trigonometric import Cos, Sin

__all__ = [
    "Absolute",
    "Add",
    "Binary",
    "Cos",
    "Divide",
    "Elementwise",
    "Erf",
    "Exp",
    "Floor",
    "FloorDivide",
    "Gelu",
    "LeakyRelu",
    "Log",
    "Maximum",
    "Minimum",
    "Modulo",
    "Multiply",
    "Negative",
    "Place",
    "Power",
    "Relu",
    "Sigmoid",
    "Sign",
    "Silu",
    "Sin",
    "Softplus",
    "Sqrt",
    "StopGradient",
    "Subtract",
    "Tanh",
    "ToInt",
    "ToReal",
    "Unary",
]
