"""Convolutions, pooling and upsampling of images: the last three axes are channels, height and width."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Alignment, Lowering, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.signature import Function, Same, Section, X, count, tensor
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.batched import batched_onnx, batched_torch
from mai.compiler.ops.shapes.shape import Stack

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

WIDEST = 64  # Of windows whose pixels a derivative goes through one by one.


def image(x: Type, name: str) -> tuple[Size, Size, Size]:
    """The channels, height and width of an image. Raises `ShapeError`."""
    if x.rank != 3:
        raise ShapeError("rank-mismatch", f"`{name}` takes an image [k, H, W], this is {describe(x.shape)}", 0)
    return x.shape[0], x.shape[1], x.shape[2]


def _slid(name: str, size: Size, width: Size, stride: int, padding: int = 0) -> Size:
    """How many windows fit along an axis. Raises `ShapeError`."""
    if (isinstance(width, int) and width < 1) or stride < 1:
        message = f"the windows of `{name}` are at least 1 wide and apart, here {width} and {stride}"
        raise ShapeError("bad-setting", message)
    result: Size = (size + 2 * padding - width) // stride + 1
    if isinstance(result, int) and result < 1:
        raise ShapeError("shape-mismatch", f"`{name}` with a window of {width} does not fit an axis of {size}", 0)
    return result


def _windows(np: Arrays, x: Tensor, width: int, stride: int) -> Tensor:
    """[..., k, H, W] as [..., k, H', W', width, width]."""
    views = np.lib.stride_tricks.sliding_window_view(x, (width, width), axis=(-2, -1))
    return views[..., ::stride, ::stride, :, :]


def _seen(x: Term, width: int, stride: int, count: tuple[Size, ...]) -> list[Term]:
    """For each place in a window, row by row: the pixels that the windows, `count` of them, have there."""
    if width > WIDEST:
        message = (
            f"it goes through windows pixel by pixel, and {width} x {width} are too many (up to {WIDEST} x {WIDEST})"
        )
        raise ShapeError("too-deep", message)
    reach = [(size - 1) * stride + 1 for size in count]
    rows = [x.strided(-2, i, i + reach[0], stride) for i in range(width)]
    return [row.strided(-1, j, j + reach[1], stride) for row in rows for j in range(width)]


def _given_back(parts: list[Term], x: Term, width: int, stride: int) -> Term:
    """The other way round: what each place in a window has for its pixels, added up in the image x."""
    total: Term | None = None
    for place, part in enumerate(parts):
        for axis, start in ((-2, place // width), (-1, place % width)):
            part = part.dilated(axis, stride, x.shape[axis] - start).padded(axis, start, 0)
        total = part if total is None else total + part
    assert total is not None, "a window has a pixel"
    return total


def _correlated(out: Term, x: Term, width: Size, stride: int, padding: int) -> Term:
    """[o, H', W'] and [k, H, W] to [o, k, width, width]: each pixel of `out` times those that its window saw."""
    assert isinstance(width, int), "the size of a window is known"
    framed = x.padded(-2, padding, padding).padded(-1, padding, padding)
    parts = [out.einsum("ohw,khw->ok", seen) for seen in _seen(framed, width, stride, out.shape[-2:])]
    return parts[0].emit(Stack, *parts[1:]).reshape(*parts[0].shape, width, width)


def _lost(size: Size, width: Size, stride: int, padding: int) -> Size:
    """How many of the last pixels no window reaches."""
    return (size + 2 * padding - width) - (_slid("conv", size, width, stride, padding) - 1) * stride


def _transposed(out: Term, x: Term, weight: Term, stride: int, padding: int) -> Term:
    """[o, H', W'] to [k, H, W]: each pixel of `out` given back to those of x that its window saw."""
    lost = tuple(_lost(size, weight.shape[-1], stride, padding) for size in x.shape[-2:])
    if all(isinstance(more, int) for more in lost):
        return out.emit(ConvTranspose, weight, stride=stride, padding=padding, lost=lost)
    whole = out.emit(ConvTranspose, weight, stride=stride)  # How many are lost is not known now: they are joined to it.
    for axis, more in zip((-2, -1), lost, strict=True):
        whole = whole.padded(axis, 0, more).slice(axis, padding, padding + x.shape[axis])
    return whole


class Conv(Operation):
    """A convolution (in the sense of the field: a correlation) with square windows.

    x: [k, H, W]; weight: [o, k, m, m]; bias: [o], optional.
    The result: [o, H', W'] with H' = (H + 2 padding - m) // stride + 1, and W' likewise.
    """

    function = Function(
        "convolve",
        Section.KERNELS,
        (X, tensor("weight"), tensor("bias", optional=True), count("stride", 1), count("padding", 0, least=0)),
        says="An image [k, H, W] with square windows [n, k, size, size] laid over it; stride = 1, padding = 0.",
        label="conv",
    )

    attributes = {"stride": 1, "padding": 0}
    alignment = Alignment.NONE
    unled = (1, 2)

    @classmethod
    def shape(cls, x: Type, weight: Type, bias: Type | None = None, *, stride: int, padding: int) -> Type:
        k, height, width = image(x, "conv")
        if weight.rank != 4 or not isinstance(weight.shape[-1], int) or weight.shape[-1] != weight.shape[-2]:
            message = f"the weight of a convolution is [o, k, m, m], this is {describe(weight.shape)}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(weight.shape))
        o, channels, m, _ = weight.shape
        if k != channels:
            message = f"the weight takes {channels} channels, the image has {k}"
            raise ShapeError("shape-mismatch", message, 0, label=describe(x.shape))
        if bias is not None and bias.shape != (o,):
            message = f"the bias of {describe(weight.shape)} is [{o}], this is {describe(bias.shape)}"
            raise ShapeError("shape-mismatch", message, 2, label=describe(bias.shape))
        if padding < 0:
            raise ShapeError("bad-setting", f"a padding is at least 0, this is {padding}")
        return Type(DType.REAL, (o, *(_slid("conv", s, m, stride, padding) for s in (height, width))))

    @staticmethod
    def reference(
        np: Arrays, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int, padding: int
    ) -> Tensor:
        pads = [(0, 0)] * (x.ndim - 2) + [(padding, padding)] * 2
        result = np.einsum("...chwij,ocij->...ohw", _windows(np, np.pad(x, pads), weight.shape[-1], stride), weight)
        return result if bias is None else result + bias[:, None, None]

    @staticmethod
    def torch(
        torch: Arrays, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int, padding: int
    ) -> Tensor:
        conv2d = torch.nn.functional.conv2d
        return batched_torch(x, 3, lambda y: conv2d(y, weight, bias, stride=stride, padding=padding))

    @staticmethod
    def onnx(op: Onnx[V], x: V, weight: V, bias: V | None = None, *, stride: int, padding: int) -> V:
        rest = [] if bias is None else [bias]
        numbers = {"strides": [stride, stride], "pads": [padding] * 4}
        return batched_onnx(op, x, 3, lambda y: op.Conv(y, weight, *rest, **numbers))

    @staticmethod
    def derivative(
        ct: Term, y: Term, x: Term, weight: Term, bias: Term | None = None, *, stride: int, padding: int
    ) -> tuple[Term | Callable[[], Term], ...]:
        numbers = {"stride": stride, "padding": padding}
        result = (_transposed(ct, x, weight, **numbers), partial(_correlated, ct, x, weight.shape[-1], **numbers))
        return result if bias is None else (*result, ct.sum((-2, -1)))

    cases = (
        case(sample(3, 6, 6), sample(4, 3, 3, 3, lead=False), sample(4, lead=False), padding=1),
        case(sample(2, 7, 5), sample(4, 2, 3, 3, lead=False), stride=2, padding=1),
        case(sample(2, 4, 4), sample(3, 2, 1, 1, lead=False)),
        case(sample(1, 6, 9), sample(2, 1, 2, 2, lead=False), stride=3),
    )


class ConvTranspose(Operation):
    """The transpose of a convolution: every pixel of x adds its multiple of a window to the result.

    x: [o, H', W']; weight: [o, k, m, m], that of the convolution; bias: [k], optional. The result: [k, H, W] with
    H = (H' - 1) stride + m - 2 padding + lost[0]; `lost` pixels at the end are those that the convolution did not reach.
    """

    attributes = {"stride": 1, "padding": 0, "lost": (0, 0)}
    alignment = Alignment.NONE
    unled = (1, 2)

    @classmethod
    def shape(
        cls, x: Type, weight: Type, bias: Type | None = None, *, stride: int, padding: int, lost: tuple[int, int]
    ) -> Type:
        o, height, width = image(x, "conv_transpose")
        if weight.rank != 4 or not isinstance(weight.shape[-1], int) or weight.shape[-1] != weight.shape[-2]:
            message = f"the weight of a transposed convolution is [o, k, m, m], this is {describe(weight.shape)}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(weight.shape))
        channels, k, m, _ = weight.shape
        if o != channels:
            message = f"the weight takes {channels} channels, the image has {o}"
            raise ShapeError("shape-mismatch", message, 0, label=describe(x.shape))
        if bias is not None and bias.shape != (k,):
            message = f"the bias of {describe(weight.shape)} is [{k}], this is {describe(bias.shape)}"
            raise ShapeError("shape-mismatch", message, 2, label=describe(bias.shape))
        if stride < 1 or padding < 0 or not all(0 <= more < stride for more in lost):
            raise ShapeError("bad-setting", "a stride is at least 1, a padding at least 0")
        sizes = [(s - 1) * stride + m - 2 * padding + more for s, more in zip((height, width), lost, strict=True)]
        if any(isinstance(s, int) and s < 1 for s in sizes):
            raise ShapeError("shape-mismatch", f"a padding of {padding} leaves nothing of the result", 0)
        return Type(DType.REAL, (k, *sizes))

    @staticmethod
    def reference(
        np: Arrays,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        stride: int,
        padding: int,
        lost: tuple[int, int],
    ) -> Tensor:
        """A correlation of x, spread and framed with zeros, with the weight turned round."""
        m = weight.shape[-1]
        sizes = [(s - 1) * stride + 1 for s in x.shape[-2:]]
        spread = np.zeros((*x.shape[:-2], *sizes))
        spread[..., ::stride, ::stride] = x
        pads = [(0, 0)] * (x.ndim - 2) + [(m - 1, m - 1 + more) for more in lost]
        full = np.einsum("...ohwij,okij->...khw", _windows(np, np.pad(spread, pads), m, 1), weight[..., ::-1, ::-1])
        result = full[..., padding : full.shape[-2] - padding, padding : full.shape[-1] - padding]
        return result if bias is None else result + bias[:, None, None]

    @staticmethod
    def torch(
        torch: Arrays,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *,
        stride: int,
        padding: int,
        lost: tuple[int, int],
    ) -> Tensor:
        transposed = torch.nn.functional.conv_transpose2d
        return batched_torch(x, 3, lambda y: transposed(y, weight, bias, stride, padding, lost))

    @staticmethod
    def onnx(
        op: Onnx[V], x: V, weight: V, bias: V | None = None, *, stride: int, padding: int, lost: tuple[int, int]
    ) -> V:
        rest = [] if bias is None else [bias]
        numbers = {"strides": [stride, stride], "pads": [padding] * 4, "output_padding": list(lost)}
        return batched_onnx(op, x, 3, lambda y: op.ConvTranspose(y, weight, *rest, **numbers))

    @staticmethod
    def derivative(
        ct: Term,
        y: Term,
        x: Term,
        weight: Term,
        bias: Term | None = None,
        *,
        stride: int,
        padding: int,
        lost: tuple[int, int],
    ) -> tuple[Term | Callable[[], Term], ...]:
        numbers = {"stride": stride, "padding": padding}
        result = (ct.emit(Conv, weight, **numbers), partial(_correlated, x, ct, weight.shape[-1], **numbers))
        return result if bias is None else (*result, ct.sum((-2, -1)))

    cases = (
        case(sample(3, 4, 4), sample(3, 2, 3, 3, lead=False), sample(2, lead=False), padding=1),
        case(sample(4, 3, 2), sample(4, 2, 4, 4, lead=False), stride=2, padding=1),
        case(sample(2, 4, 3), sample(2, 3, 3, 3, lead=False), stride=2, padding=1, lost=(1, 0)),
    )


class Upsample(Operation):
    """Every pixel repeated `factor` times in both directions: [c, h, w] becomes [c, factor h, factor w]."""

    function = Function(
        "upsample",
        Section.KERNELS,
        (X, count("factor")),
        says="Every pixel repeated `factor` times in both directions.",
    )

    attributes = {"factor": 2}

    @classmethod
    def shape(cls, x: Type, factor: int) -> Type:
        k, height, width = image(x, "upsample")
        if factor < 1:
            raise ShapeError("bad-setting", f"`upsample` repeats every pixel at least once, here {factor} times")
        return Type(DType.REAL, (k, height * factor, width * factor))

    reference: Lowering = staticmethod(lambda np, x, factor: np.repeat(np.repeat(x, factor, axis=-2), factor, axis=-1))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, factor: int) -> Tensor:
        return batched_torch(x, 3, lambda y: torch.nn.functional.interpolate(y, scale_factor=float(factor)))

    @staticmethod
    def onnx(op: Onnx[V], x: V, factor: int) -> V:
        scales = op.reals([1, 1, factor, factor])
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return batched_onnx(op, x, 3, lambda y: op.Resize(y, None, scales, **how))

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, factor: int) -> Term:
        k, height, width = x.shape
        return ct.reshape(k, height, factor, width, factor).sum((-3, -1))

    cases = (case(sample(3, 4, 4)), case(sample(1, 2, 3), factor=3))


POOLED = (X, count("size"), count("stride", Same("size")))


class Pool(Operation, abstract=True):
    """One number for each window: [channels, height, width] to [channels, (height - size) // stride + 1, ...]."""

    attributes = {"size": 2, "stride": 2}
    cases = (case(sample(3, 4, 4)), case(sample(2, 7, 5), size=3, stride=2))

    @classmethod
    def shape(cls, x: Type, size: int, stride: int) -> Type:
        k, height, width = image(x, cls.name)
        return Type(DType.REAL, (k, *(_slid(cls.name, s, size, stride) for s in (height, width))))


class MaxPool(Pool):
    """The largest element of each window of each channel."""

    function = Function("max_pool", Section.KERNELS, POOLED, says=f"{__doc__} The stride is the size by default.")

    reference: Lowering = staticmethod(lambda np, x, size, stride: np.max(_windows(np, x, size, stride), axis=(-2, -1)))
    torch: Lowering = staticmethod(
        lambda torch, x, size, stride: batched_torch(x, 3, lambda y: torch.nn.functional.max_pool2d(y, size, stride))
    )
    onnx: Lowering = staticmethod(
        lambda op, x, size, stride: batched_onnx(
            op, x, 3, lambda y: op.MaxPool(y, kernel_shape=[size] * 2, strides=[stride] * 2)
        )
    )

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, size: int, stride: int) -> Term:
        """Pixels that are equally large share a window's derivative."""
        largest = [seen.equals(y) for seen in _seen(x, size, stride, y.shape[-2:])]
        share = ct / sum(largest[1:], largest[0])
        return _given_back([share * each for each in largest], x, size, stride)


class AvgPool(Pool):
    """The average of the elements of each window of each channel."""

    function = Function("avg_pool", Section.KERNELS, POOLED, says=f"{__doc__} The stride is the size by default.")

    reference: Lowering = staticmethod(
        lambda np, x, size, stride: np.mean(_windows(np, x, size, stride), axis=(-2, -1))
    )
    torch: Lowering = staticmethod(
        lambda torch, x, size, stride: batched_torch(x, 3, lambda y: torch.nn.functional.avg_pool2d(y, size, stride))
    )
    onnx: Lowering = staticmethod(
        lambda op, x, size, stride: batched_onnx(
            op, x, 3, lambda y: op.AveragePool(y, kernel_shape=[size] * 2, strides=[stride] * 2)
        )
    )

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, size: int, stride: int) -> Term:
        return _given_back([ct / float(size * size)] * size**2, x, size, stride)
