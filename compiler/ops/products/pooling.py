"""One number for each window of an image of one, two or three axes: the largest, or the average."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Operation, ShapeError, case, sample
from mai.compiler.ir.signature import Function, Same, Section, X, frame, per_axis
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.batched import batched_onnx, batched_torch
from mai.compiler.ops.products.windows import (
    Counts,
    Frame,
    framed,
    framed_term,
    given_back,
    inside,
    onnx_numbers,
    padded,
    padded_torch,
    seen,
    slid,
    space,
    unframed,
    windows,
)

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

POOLED = (X, per_axis("size"), per_axis("stride", Same("size")), frame("padding", 0))
SAID = "The stride is the size by default; no window sees the `padding`."


def _in_numbers(types: tuple[Type, ...], attributes: Mapping[str, object]) -> dict[str, object]:
    """The frame in numbers: words are resolved by the sizes of image and window."""
    size, stride, padding = (attributes[n] for n in ("size", "stride", "padding"))
    sizes = types[0].shape[1:]
    return {"padding": framed(sizes, size, stride, (1,) * len(sizes), padding)}  # type: ignore[arg-type]


class Pool(Operation, abstract=True):
    """One number for each window of each channel: [k, *sizes] to [k, *counts]; pixels of the frame are not seen."""

    attributes = {"size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
    cases = (
        case(sample(3, 4, 4)),
        case(sample(2, 7, 5), size=(3, 3), stride=(2, 2)),
        case(sample(2, 5, 6), size=(2, 3), stride=(1, 2), padding=((1, 0), (1, 2))),
        case(sample(2, 7), size=(3,), stride=(1,), padding=((2, 0),)),
        case(sample(1, 4, 3, 5), size=(2, 2, 3), stride=(2, 1, 2), padding=((0, 0), (0, 1), (1, 1))),
    )

    @classmethod
    def shape(cls, x: Type, size: Counts, stride: Counts, padding: Frame) -> Type:
        sizes = space(x, cls.name)
        for width, pair in zip(size, padding, strict=True):
            if max(pair) >= width:
                message = f"a padding of {max(pair)} lets windows of {width} see nothing of the image"
                raise ShapeError("bad-setting", message)
        places = zip(sizes, size, stride, padding, strict=True)
        return Type(DType.REAL, (x.shape[0], *(slid(cls.name, *place) for place in places)))


class MaxPool(Pool):
    """The largest element of each window of each channel."""

    function = Function("max_pool", Section.KERNELS, POOLED, says=f"{__doc__} {SAID}", derived=_in_numbers)

    @staticmethod
    def reference(np: Arrays, x: Tensor, size: Counts, stride: Counts, padding: Frame) -> Tensor:
        return np.max(windows(np, padded(np, x, padding, -math.inf), size, stride), axis=tuple(range(-len(size), 0)))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, size: Counts, stride: Counts, padding: Frame) -> Tensor:
        pool = getattr(torch.nn.functional, f"max_pool{len(size)}d")
        least = -math.inf
        return batched_torch(x, len(size) + 1, lambda y: pool(padded_torch(torch, y, padding, least), size, stride))

    @staticmethod
    def onnx(op: Onnx[V], x: V, size: Counts, stride: Counts, padding: Frame) -> V:
        numbers = {"kernel_shape": size, **onnx_numbers(stride, padding)}
        return batched_onnx(op, x, len(size) + 1, lambda y: op.MaxPool(y, **numbers))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, size: Counts, stride: Counts, padding: Frame) -> Term:
        """Pixels that are equally large share a window's derivative."""
        image, counts = framed_term(x, padding), y.shape[1:]
        largest = [part.equals(y) for part in seen(image, size, stride, counts)]
        if any(map(any, padding)):
            within = seen(inside(x, padding), size, stride, counts)
            largest = [one * true for one, true in zip(largest, within, strict=True)]
        share = ct / sum(largest[1:], largest[0])
        whole = given_back([share * each for each in largest], image.shape[1:], size, stride)
        return unframed(whole, padding, x.shape[1:])


class AvgPool(Pool):
    """The average of the elements of each window of each channel."""

    function = Function("avg_pool", Section.KERNELS, POOLED, says=f"{__doc__} {SAID}", derived=_in_numbers)

    @staticmethod
    def reference(np: Arrays, x: Tensor, size: Counts, stride: Counts, padding: Frame) -> Tensor:
        axes = tuple(range(-len(size), 0))
        return np.nanmean(windows(np, padded(np, x, padding, math.nan), size, stride), axis=axes)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, size: Counts, stride: Counts, padding: Frame) -> Tensor:
        pool = getattr(torch.nn.functional, f"avg_pool{len(size)}d")

        def averages(y: Tensor) -> Tensor:
            if not any(map(any, padding)):
                whole: Tensor = pool(y, size, stride)
                return whole
            total, share = (pool(padded_torch(torch, z, padding), size, stride) for z in (y, torch.ones_like(y)))
            part: Tensor = total / share
            return part

        return batched_torch(x, len(size) + 1, averages)

    @staticmethod
    def onnx(op: Onnx[V], x: V, size: Counts, stride: Counts, padding: Frame) -> V:
        numbers = {"kernel_shape": size, **onnx_numbers(stride, padding)}
        return batched_onnx(op, x, len(size) + 1, lambda y: op.AveragePool(y, **numbers))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, size: Counts, stride: Counts, padding: Frame) -> Term:
        within = seen(inside(x, padding), size, stride, y.shape[1:])
        share = ct / sum(within[1:], within[0])
        sizes = tuple(n + sum(pair) for n, pair in zip(x.shape[1:], padding, strict=True))
        return unframed(given_back([share] * len(within), sizes, size, stride), padding, x.shape[1:])
