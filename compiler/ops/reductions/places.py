"""The places of extremes."""

from __future__ import annotations

from mai.compiler.ir.operation import Lowering, Operation, case, sample
from mai.compiler.ir.signature import AXIS, NUMBERS, Function, Section
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import summed
from mai.compiler.ops.no_number import greatest
from mai.compiler.ops.numbering import chosen
from mai.compiler.ops.reductions.base import check_chosen


class Argmax(Operation):
    """The place of the largest element; the first of equals. A NaN is above every number."""

    function = Function("argmax", Section.ALONG, (NUMBERS, AXIS))

    attributes = {"axis": -1}
    along = staticmethod(summed)
    numbering = staticmethod(chosen)

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        check_chosen(cls.name, x, (axis,))
        left = tuple(s for i, s in zip(range(-x.rank, 0), x.shape, strict=True) if i != axis)
        return Type(DType.INT, left, classes=x.shape[axis])

    reference: Lowering = staticmethod(lambda np, x, axis: np.argmax(x, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.argmax(x, axis))
    onnx: Lowering = staticmethod(lambda op, x, axis: op.ArgMax(greatest(op, x), axis=axis, keepdims=0))
    cases = (case(sample(3, 4)), case(sample(2, 5, 4), axis=-2), case(sample(3, 4, kind="int")))


class Argmin(Operation):
    """The place of the smallest element; the first of equals. A NaN is below every number."""

    function = Function("argmin", Section.ALONG, (NUMBERS, AXIS))

    attributes = {"axis": -1}
    along = staticmethod(summed)
    numbering = staticmethod(chosen)

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        check_chosen(cls.name, x, (axis,))
        return Argmax.shape(x, axis)

    reference: Lowering = staticmethod(lambda np, x, axis: np.argmin(x, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.argmin(x, axis))
    onnx: Lowering = staticmethod(lambda op, x, axis: op.ArgMin(greatest(op, x, -1.0), axis=axis, keepdims=0))
    cases = (case(sample(3, 4)), case(sample(2, 5, 4), axis=-2), case(sample(3, 4, kind="int")))
    extremes = (((2.0, 1.0, 3.0, 1.0),),)
