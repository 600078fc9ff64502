"""Whether a condition holds somewhere, or everywhere, over axes."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.ir.operation import Case, Lowering, case, sample
from mai.compiler.ir.signature import AXES, KEEP, Function, Kind, Section, tensor
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.reductions.base import BOOL, Reduction, filled

ARGUMENTS = (tensor("condition", Kind.TRUTH), AXES, KEEP)
INT32 = 6  # ONNX's number for the type; it has extremes of integers in every opset, of truths in later ones.


class OfTruth(Reduction, abstract=True):
    """A reduction of true and false; the axes go as those of sums."""

    cases: ClassVar[tuple[Case, ...]] = (
        case(sample(3, 4, kind="bool")),
        case(sample(2, 3, 2, kind="bool"), axes=(-3, -1)),
        case(sample(3, 4, kind="bool"), axes=(-2,), keep=True),
    )


class AnyOf(OfTruth):
    """Whether the condition holds for one element at least, over axes."""

    name = "any"
    function = Function("any", Section.REDUCTIONS, ARGUMENTS)
    neutral = 0.0

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.any(x, axis=axes, keepdims=keep))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        return torch.any(x, axes, keepdim=keep) if axes else x

    @staticmethod
    def onnx(op: Onnx[V], x: V, axes: tuple[int, ...], keep: bool) -> V:
        if not axes:
            return x
        return op.Cast(
            op.ReduceMax(op.Cast(filled(op, x, axes, 0), to=INT32), op.ints(axes), keepdims=int(keep)), to=BOOL
        )


class AllOf(OfTruth):
    """Whether the condition holds for every element, over axes."""

    name = "all"
    function = Function("all", Section.REDUCTIONS, ARGUMENTS)
    neutral = 1.0

    reference: Lowering = staticmethod(lambda np, x, axes, keep: np.all(x, axis=axes, keepdims=keep))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
        return torch.all(x, axes, keepdim=keep) if axes else x

    @staticmethod
    def onnx(op: Onnx[V], x: V, axes: tuple[int, ...], keep: bool) -> V:
        if not axes:
            return x
        return op.Cast(
            op.ReduceMin(op.Cast(filled(op, x, axes, 1), to=INT32), op.ints(axes), keepdims=int(keep)), to=BOOL
        )
