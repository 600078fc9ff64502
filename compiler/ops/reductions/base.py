"""What reductions and functions along an axis share: the shape that is left, their cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mai.compiler.ir.operation import Case, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.types import Type
from mai.compiler.ops.along import same, summed
from mai.compiler.ops.backends import Onnx, V

BOOL = 9  # ONNX's number for the type.


def check_chosen(name: str, x: Type, axes: Sequence[int]) -> None:
    """Refuse to choose an element along axes that have none. Raises `ShapeError`."""
    if any(x.shape[axis] == 0 for axis in axes):
        message = f"`{name}` chooses an element, and {describe(x.shape)} has none"
        raise ShapeError("shape-mismatch", message, 0, label=describe(x.shape))


def filled(op: Onnx[V], x: V, axes: Sequence[int], neutral: float) -> V:
    """x, which has one `neutral` element along axes that have none: of none ONNX Runtime multiplies, compares and measures nothing."""
    ends = [op.lacking(x, axis) if axis in axes else 0 for axis in range(-op.rank(x), 0)]
    if not any(ends):
        return x
    number = op.int(int(neutral)) if op.whole(x) or op.truth(x) else op.real(neutral)
    pads = op.shape_vector([*[0] * len(ends), *ends])
    return op.Pad(x, pads, op.Cast(number, to=BOOL) if op.truth(x) else number)


class Reduction(Operation, abstract=True):
    """`axes` go, or stay with size one where `keep`. One that `chooses` an element needs one."""

    along = staticmethod(summed)
    chooses: ClassVar[bool] = False

    attributes: ClassVar[dict[str, object]] = {"axes": (-1,), "keep": False}
    cases: ClassVar[tuple[Case, ...]] = (
        case(sample(3, 4)),
        case(sample(2, 3, 4), axes=(-3, -1)),
        case(sample(3, 4), axes=(-2,), keep=True),
    )

    @classmethod
    def shape(cls, x: Type, axes: tuple[int, ...], keep: bool) -> Type:
        if len(set(axes)) < len(axes):
            raise ShapeError("axis-out-of-range", "an axis is named twice")
        if cls.chooses:
            check_chosen(cls.name, x, axes)
        sizes = [(1 if i in axes else s, i in axes) for i, s in zip(range(-x.rank, 0), x.shape, strict=True)]
        return Type(x.dtype, tuple(s for s, gone in sizes if keep or not gone))


class Along(Operation, abstract=True):
    """An operation along one axis that keeps the shape."""

    along = staticmethod(same)

    attributes: ClassVar[dict[str, object]] = {"axis": -1}
    cases: ClassVar[tuple[Case, ...]] = (case(sample(3, 4)), case(sample(2, 5, 4), axis=-2))

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        return Type(x.dtype, x.shape)
