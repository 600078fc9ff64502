"""Other types of one value, and values that derivatives hold still."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Lowering, ShapeError, case, describe, sample
from mai.compiler.ir.signature import NUMBERS, Function, Kind, Section, tensor
from mai.compiler.ir.structure import Constant, Nested
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.elementwise.base import Elementwise, Unary, flat


class ToReal(Unary):
    """A whole number, or true or false, as a real."""

    result = DType.REAL
    reference: Lowering = staticmethod(lambda np, x: x.astype(np.float64))
    torch: Lowering = staticmethod(lambda torch, x: x.float())
    onnx: Lowering = staticmethod(lambda op, x: op.Cast(x, to=1))
    cases = (case(sample(4, kind="int")), case(sample(2, 3, kind="bool")))


def written_out(value: Value) -> Nested | None:
    """The number, or the array as nested tuples, that a value is where the file says it, as a real or not; None of what is computed."""
    node = value.producer
    if node is not None and node.op is ToReal:
        return written_out(node.inputs[0])
    return Constant.of(node).value if node is not None and node.op is Constant else None


class ToInt(Unary):
    """x cut to a whole number, towards zero."""

    function = Function("int", Section.ELEMENTS, (NUMBERS,), fold=int)

    result = DType.INT
    reference: Lowering = staticmethod(lambda np, x: x.astype(np.int64))
    torch: Lowering = staticmethod(lambda torch, x: x.long())
    onnx: Lowering = staticmethod(lambda op, x: op.Cast(x, to=7))


class Place(Unary):
    """x as a place of its own, at which a function is differentiated: of one `number` each, so that no two are one."""

    attributes: ClassVar[dict[str, object]] = {"number": 0}
    reference: Lowering = staticmethod(lambda np, x, number: x)
    torch: Lowering = staticmethod(lambda torch, x, number: x)
    onnx: Lowering = staticmethod(lambda op, x, number: x)
    derivative = staticmethod(lambda ct, y, x, number: ct)


class StopGradient(Unary):
    """x, held still by derivatives."""

    function = Function("stop_gradient", Section.DERIVATIVES)

    reference: Lowering = staticmethod(lambda np, x: x)
    torch: Lowering = staticmethod(lambda torch, x: x.detach())
    onnx: Lowering = staticmethod(lambda op, x: x)
    derivative = staticmethod(flat)


class Reusable(Unary):
    """x, which an integral may compute at some of its steps alone: the deep features of a net change slowly along a path.

    Ma et al. 2023, "DeepCache" (U-Nets); Chen et al. 2024, "Delta-DiT" (transformers, of whose blocks the sum is kept).
    """

    function = Function(
        "reusable",
        Section.ELEMENTS,
        says="x; an integral `using heun(steps, reuse = 3)` computes it at every third step and keeps it in between.",
    )

    reference: Lowering = staticmethod(lambda np, x: x)
    torch: Lowering = staticmethod(lambda torch, x: x)
    onnx: Lowering = staticmethod(lambda op, x: x)
    derivative = staticmethod(lambda ct, y, x: ct)


class WithDerivative(Elementwise):
    """x, whose derivative by p is `slope`, however x was computed: each of one shape."""

    function = Function(
        "with_derivative",
        Section.DERIVATIVES,
        (tensor("x", Kind.REAL), tensor("p", Kind.REAL), tensor("slope", Kind.REAL)),
        says="x, held still but for p: its derivative by p is `slope`, whatever x was computed from. All of one shape.",
    )

    @classmethod
    def shape(cls, *inputs: Type, **attributes: object) -> Type:
        x = inputs[0]
        for operand, other in enumerate(inputs[1:], 1):
            if other.shape != x.shape:
                message = f"`with_derivative` takes one shape, here are {describe(x.shape)} and {describe(other.shape)}"
                raise ShapeError("shape-mismatch", message, operand, label=describe(other.shape))
        return Type(DType.REAL, x.shape)

    reference: Lowering = staticmethod(lambda np, x, p, slope: np.broadcast_arrays(x, p, slope)[0])
    torch: Lowering = staticmethod(lambda torch, x, p, slope: x.detach() + slope.detach() * (p - p.detach()))
    # A condition of the shape of all three, whose both ends are x.
    onnx: Lowering = staticmethod(lambda op, x, p, slope: op.Where(op.Equal(p, slope), x, x))
    derivative = staticmethod(lambda ct, y, x, p, slope: (None, ct * slope, None))
    cases = (case(sample(3, 4), sample(3, 4), sample(3, 4)),)
