"""Elements along an axis by an index of the same number of axes, and the largest along an axis by their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Alignment, Lowering, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.signature import ANY_X, AXIS, NUMBERS, Function, Kind, Section, composed, count, tensor
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import ordered
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.no_number import greatest
from mai.compiler.ops.numbering import chosen, picked

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Gather(Operation):
    """x[..., index[..., j, ...], ...] for each j of an index along an axis; along other axes place by place.

    x: [..., n, ...]; index: whole numbers [..., m, ...] of the same other axes, and so the result.
    """

    function = Function(
        "gather",
        Section.ALONG,
        (ANY_X, tensor("index", Kind.INDEX), AXIS),
        says="x[index[j]] for each j of an index of as many axes as x, along one; along the others place by place.",
        elsewhere="take_along_axis take_along_dim",
        example="gather(x, argsort(x))",
    )

    attributes = {"axis": -1}
    alignment = Alignment.EXPAND
    numbering = staticmethod(picked)

    @classmethod
    def shape(cls, x: Type, index: Type, axis: int) -> Type:
        place = x.rank + axis
        shape = (*x.shape[:place], *index.shape[axis:][:1], *x.shape[place + 1 :])
        if index.shape != shape:
            message = f"an index of {describe(x.shape)} differs from it at most in the size of"
            raise ShapeError("shape-mismatch", message, 1, label=describe(index.shape), axis=axis)
        return Type(x.dtype, index.shape, classes=x.classes)

    reference: Lowering = staticmethod(lambda np, x, index, axis: np.take_along_axis(x, index, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, index, axis: torch.gather(x, axis, index))
    onnx: Lowering = staticmethod(lambda op, x, index, axis: op.GatherElements(x, index, axis=axis))

    @staticmethod
    def along(types: Sequence[Type], attributes: Mapping[str, object], operand: int, axis: int) -> int | None:
        """The axis of x along which it is read goes away; that of the index stays."""
        return None if operand == 0 and axis == attributes["axis"] else axis

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, index: Term, axis: int) -> tuple[Term, None]:
        """Every element of x has the sum of what was taken of it."""
        own = LETTERS[: x.rank]
        taken = own.replace(own[axis], "z")
        return ct.einsum(f"{taken},{taken}{own[axis]}->{own}", index.one_hot(x.shape[axis])), None

    cases = (
        case(sample(10), sample(4, kind="int")),
        case(sample(10, 3), sample(2, 3, kind="int"), axis=-2),
        case(sample(2, 10, kind="int"), sample(2, 4, kind="int")),
    )


class TopPlaces(Operation):
    """The places of the `count` largest elements along an axis, from the largest down; of equals, the first comes first.

    A NaN is above every number.
    """

    attributes = {"axis": -1, "count": 1}
    along = staticmethod(ordered)
    numbering = staticmethod(chosen)

    @classmethod
    def shape(cls, x: Type, axis: int, count: int) -> Type:
        place, size = x.rank + axis, x.shape[axis]
        if isinstance(size, int) and count > size:
            raise ShapeError("index-out-of-range", f"there are {size} elements, not {count}, along", 0, axis=axis)
        return Type(DType.INT, (*x.shape[:place], count, *x.shape[place + 1 :]), classes=size)

    @staticmethod
    def reference(np: Arrays, x: Tensor, axis: int, count: int) -> Tensor:
        """Those from the smallest up, of x from its end, from the last back: so NaN is the largest, and equals keep their order."""
        upwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
        return np.take(x.shape[axis] - 1 - np.flip(upwards, axis), np.arange(count), axis=axis)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axis: int, count: int) -> Tensor:
        return torch.argsort(x, dim=axis, descending=True, stable=True).narrow(axis, 0, count)

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int, count: int) -> V:
        return op.several("TopK", 2, greatest(op, x), op.ints([count]), axis=axis, largest=1, sorted=1)[1]

    cases = (
        case(sample(6), count=3),
        case(sample(4, 3), axis=-2, count=2),
        case(sample(5), count=5),
        case(sample(5, kind="int"), count=2),
    )
    extremes = (((1.0, 3.0, 3.0, 2.0),),)


@composed(Function("top_k", Section.ALONG, (NUMBERS, count("count"), AXIS)))
def top_k(x: Term, count: int, axis: int) -> tuple[Term, Term]:
    """The `count` largest elements along an axis, from the largest down, and their places: `(v, i) = top_k(x, 3)`. NaN comes first.

    `count` is fixed when the file is compiled; for a share of an axis of any length, compare with an element of `sort(x)`.
    """
    places = x.emit(TopPlaces, axis=axis, count=count)
    return x.emit(Gather, places, axis=axis), places
