"""Images of one, two or three axes made larger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Operation, ShapeError, case, sample
from mai.compiler.ir.signature import Function, Section, X, flag, per_axis
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.batched import batched_onnx, batched_torch
from mai.compiler.ops.products.windows import Counts, space
from mai.compiler.ops.shapes.shape import Concat, Stack

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
LINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
TORCH = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Upsample(Operation):
    """Every pixel repeated `factor` times along every axis, or, where `linear`, numbers between those of neighbouring pixels.

    x: [k, *sizes] becomes [k, *(factor sizes)]. Linear: a pixel's number stands in the middle of it, and beyond the outer ones nothing
    changes (torch's `align_corners = False`).
    """

    function = Function(
        "upsample",
        Section.KERNELS,
        (X, per_axis("factor"), flag("linear")),
        says="Every pixel repeated `factor` times along every axis; `linear` goes evenly from the middle of one to that of the next.",
    )

    attributes = {"factor": (2, 2), "linear": False}

    @classmethod
    def shape(cls, x: Type, factor: Counts, linear: bool) -> Type:
        sizes = space(x, "upsample")
        if min(factor) < 1:
            message = f"`upsample` repeats every pixel at least once, here {min(factor)} times"
            raise ShapeError("bad-setting", message)
        return Type(DType.REAL, (x.shape[0], *(n * by for n, by in zip(sizes, factor, strict=True))))

    @staticmethod
    def reference(np: Arrays, x: Tensor, factor: Counts, linear: bool) -> Tensor:
        for axis, by in enumerate(factor, start=-len(factor)):
            if not linear:
                x = np.repeat(x, by, axis=axis)
                continue
            size = x.shape[axis]
            place = np.clip((np.arange(size * by) + 0.5) / by - 0.5, 0, size - 1)
            low = np.floor(place).astype(int)
            part = (place - low).reshape(-1, *(1 for _ in range(-axis - 1)))
            high = np.minimum(low + 1, size - 1)
            x = (1 - part) * np.take(x, low, axis) + part * np.take(x, high, axis)
        return x

    @staticmethod
    def torch(torch: Arrays, x: Tensor, factor: Counts, linear: bool) -> Tensor:
        how = {"mode": TORCH[len(factor)], "align_corners": False} if linear else {}
        scales, enlarge = list(map(float, factor)), torch.nn.functional.interpolate
        return batched_torch(x, len(factor) + 1, lambda y: enlarge(y, scale_factor=scales, **how))

    @staticmethod
    def onnx(op: Onnx[V], x: V, factor: Counts, linear: bool) -> V:
        scales = op.reals([1, 1, *factor])
        how = LINEAR if linear else NEAREST
        return batched_onnx(op, x, len(factor) + 1, lambda y: op.Resize(y, None, scales, **how))

    @staticmethod
    def expansion(x: Term, factor: Counts, linear: bool) -> Term:
        for axis, by in enumerate(factor, start=-len(factor)):
            x = _along(x, axis, by, linear)
        return x

    cases = (
        case(sample(3, 4, 4)),
        case(sample(1, 2, 3), factor=(3, 3)),
        case(sample(2, 3, 4), factor=(3, 2), linear=True),
        case(sample(2, 5), factor=(2,)),
        case(sample(2, 5), factor=(4,), linear=True),
        case(sample(1, 2, 3, 2), factor=(2, 1, 3)),
        case(sample(1, 2, 3, 2), factor=(2, 2, 2), linear=True),
    )


def _along(x: Term, axis: int, by: int, linear: bool) -> Term:
    """x made larger along one axis: for each of the `by` places in a pixel, what stands there."""
    if by == 1:
        return x
    parts = [_between(x, axis, (place + 0.5) / by - 0.5) for place in range(by)] if linear else [x] * by
    shape = list(x.shape)
    shape[axis] = shape[axis] * by
    return parts[0].emit(Stack, *parts[1:], axis=axis).reshape(*shape)


def _between(x: Term, axis: int, offset: float) -> Term:
    """What stands `offset` of a pixel, between -1/2 and 1/2, after the middle of each; the outer pixels go on."""
    if offset == 0:
        return x
    if offset < 0:
        other = x.slice(axis, 0, 1).emit(Concat, x.slice(axis, 0, x.shape[axis] - 1), axis=axis)
    else:
        other = x.slice(axis, 1, None).emit(Concat, x.slice(axis, x.shape[axis] - 1, None), axis=axis)
    return x * (1 - abs(offset)) + other * abs(offset)
