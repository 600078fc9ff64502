"""Windows laid over images of one, two or three axes: how many fit, the frame around an image, and what a window sees.

An image is [k, *sizes]: channels, then its axes in space. Everything is a tuple with one entry for each of these: the window's
`size`, its `stride`, the `dilation` (the distance of neighbours in a window) and the `padding`, pairs of how many pixels are
put before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Type
from mai.compiler.ops.backends import Arrays, Tensor
from mai.compiler.ops.shapes.shape import Stack

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

Counts: TypeAlias = tuple[int, ...]
Frame: TypeAlias = tuple[tuple[int, int], ...]
Written: TypeAlias = "tuple[str | tuple[int, int], ...]"  # a frame as the language has it, with words


class Laid(TypedDict):
    """How the windows of a convolution are laid over its image."""

    stride: Counts
    padding: Frame
    dilation: Counts
    groups: int


WIDEST = 4096  # Of windows whose pixels are gone through one by one: in derivatives, and of filters that are computed.
FORMS = {1: "[k, L]", 2: "[k, H, W]", 3: "[k, D, H, W]"}


def space(x: Type, name: str, axes: int | None = None) -> tuple[Size, ...]:
    """The sizes of an image in space, of as many `axes` as it has to have. Raises `ShapeError`."""
    wanted = FORMS if axes is None else {axes: FORMS[axes]}
    if x.rank - 1 not in wanted:
        forms = " or ".join(wanted.values())
        raise ShapeError("rank-mismatch", f"`{name}` takes an image {forms}, this is {describe(x.shape)}", 0)
    return x.shape[1:]


def checked(name: str, x: Type, weight: Type, bias: Type | None, groups: int, out: Size) -> tuple[Size, ...]:
    """The sizes of the image, once weight and bias are seen to fit it; the bias has `out` numbers. Raises `ShapeError`."""
    axes = weight.rank - 2
    if axes not in (1, 2, 3) or not all(isinstance(n, int) for n in weight.shape[2:]):
        message = (
            f"the weight of `{name}` is [o, k, *size], with a size for each axis, this is {describe(weight.shape)}"
        )
        raise ShapeError("shape-mismatch", message, 1, label=describe(weight.shape))
    sizes = space(x, name, axes)
    if bias is not None and bias.shape != (out,):
        message = f"the bias of {describe(weight.shape)} is [{out}], this is {describe(bias.shape)}"
        raise ShapeError("shape-mismatch", message, 2, label=describe(bias.shape))
    for channels in (x.shape[0], weight.shape[0]):
        if groups < 1 or (isinstance(channels, int) and channels % groups):
            raise ShapeError("shape-mismatch", f"{channels} channels are not {groups} equal groups", 0)
    return sizes


def check_channels(k: Size, channels: Size, x: Type) -> None:
    """Raises `ShapeError` where the image has other channels than the weight takes."""
    if k != channels:
        message = f"the weight takes {channels} channels, the image has {k}"
        raise ShapeError("shape-mismatch", message, 0, label=describe(x.shape))


def window(weight: Type) -> Counts:
    """The size of the windows that a weight [o, k, *size] is of."""
    assert all(isinstance(n, int) for n in weight.shape[2:]), "the size of a window is known"
    return weight.shape[2:]  # type: ignore[return-value]


def reach(size: Size, dilation: int) -> Size:
    """How many pixels a window spans from its first to its last."""
    return (size - 1) * dilation + 1


def slid(name: str, size: Size, width: Size, stride: int, padding: tuple[int, int] = (0, 0), dilation: int = 1) -> Size:
    """How many windows fit along an axis. Raises `ShapeError`."""
    if (isinstance(width, int) and width < 1) or stride < 1 or dilation < 1:
        message = f"the windows of `{name}` are at least 1 wide and apart, here {width}, {stride} and {dilation}"
        raise ShapeError("bad-setting", message)
    if min(padding) < 0:
        raise ShapeError("bad-setting", f"a padding is at least 0, this is {min(padding)}")
    result: Size = (size + sum(padding) - reach(width, dilation)) // stride + 1
    if isinstance(result, int) and result < 1:
        raise ShapeError("shape-mismatch", f"`{name}` with a window of {width} does not fit an axis of {size}", 0)
    return result


def framed(sizes: Sequence[Size], width: Sequence[Size], stride: Counts, dilation: Counts, written: Written) -> Frame:
    """A frame in numbers, where the language has words for the sides of an axis. Raises `ShapeError`.

    "half" is half a window on either side, "valid" is none, "causal" is all of it before, "same" as many pixels as leave one result
    for every `stride` of them, one more of them after than before if it must be (as TensorFlow and ONNX's SAME_UPPER have it).
    """
    places = zip(written, sizes, width, stride, dilation, strict=True)
    return tuple(_side(w, *place) if isinstance(w, str) else w for w, *place in places)  # type: ignore[arg-type]


def _side(word: str, size: Size, width: Size, stride: int, dilation: int) -> tuple[int, int]:
    if not isinstance(width, int):
        raise ShapeError("dimension-unknown", "the size of a window is known when the file is compiled", 1)
    over = (width - 1) * dilation
    if word == "valid":
        return 0, 0
    if word == "half":
        return over // 2, over // 2
    if word == "causal":
        return over, 0
    if stride > 1 and not isinstance(size, int):
        message = 'padding = "same" with a stride needs an axis whose size is known when the file is compiled'
        raise ShapeError("dimension-unknown", message, 0, help='write `padding = "half"`, or numbers')
    total = over if stride == 1 else max(0, over - (int(size) - 1) % stride)  # type: ignore[arg-type]
    return total // 2, total - total // 2


def windows(np: Arrays, x: Tensor, size: Counts, stride: Counts, dilation: Counts | None = None) -> Tensor:
    """[..., k, *sizes] as [..., k, *counts, *size], in numpy."""
    axes, dilation = range(-len(size), 0), dilation or (1,) * len(size)
    reaches = tuple((n - 1) * apart + 1 for n, apart in zip(size, dilation, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(x, reaches, axis=tuple(axes))
    return views[(..., *(slice(None, None, s) for s in (*stride, *dilation)))]


def padded(np: Arrays, x: Tensor, padding: Frame, value: float = 0.0) -> Tensor:
    """x with its frame, in numpy."""
    return np.pad(x, [(0, 0)] * (x.ndim - len(padding)) + list(padding), constant_values=value)


def padded_torch(torch: Arrays, x: Tensor, padding: Frame, value: float = 0.0) -> Tensor:
    """x with its frame, in torch."""
    pads = [n for pair in reversed(padding) for n in pair]
    return torch.nn.functional.pad(x, pads, value=value) if any(pads) else x


def onnx_numbers(
    stride: Counts, padding: Frame, dilation: Counts | None = None
) -> dict[str, int | float | str | Sequence[int]]:
    """The attributes that ONNX's operators with windows share."""
    pads = [before for before, _ in padding] + [after for _, after in padding]
    numbers: dict[str, int | float | str | Sequence[int]] = {"strides": stride, "pads": pads}
    return numbers if dilation is None else {**numbers, "dilations": dilation}


# ----------------------------------------------------------------- derivatives


def framed_term(x: Term, padding: Frame) -> Term:
    """x with its frame of zeros."""
    for axis, (before, after) in zip(range(-len(padding), 0), padding, strict=True):
        x = x.padded(axis, before, after)
    return x


def inside(x: Term, padding: Frame) -> Term:
    """1 for the pixels of an image and 0 for those of its frame: [*sizes]."""
    return framed_term(x.other(1.0).expand(x.shape[-len(padding) :]), padding)


def seen(x: Term, size: Counts, stride: Counts, counts: tuple[Size, ...], dilation: Counts | None = None) -> list[Term]:
    """For each place in a window, row by row: the pixels of a framed image that the windows, `counts` of them, have there."""
    _check_width(size)
    spans = [(count - 1) * step + 1 for count, step in zip(counts, stride, strict=True)]
    result = []
    for place in _places(size, dilation):
        part = x
        for axis, (start, span, step) in enumerate(zip(place, spans, stride, strict=True), start=-len(size)):
            part = part.strided(axis, start, start + span, step)
        result.append(part)
    return result


def given_back(
    parts: list[Term], sizes: tuple[Size, ...], size: Counts, stride: Counts, dilation: Counts | None = None
) -> Term:
    """The other way round: what each place in a window has for its pixels, added up in the framed image of these sizes."""
    total: Term | None = None
    for place, part in zip(_places(size, dilation), parts, strict=True):
        for axis, start in enumerate(place, start=-len(size)):
            part = part.dilated(axis, stride[axis], sizes[axis] - start).padded(axis, start, 0)
        total = part if total is None else total + part
    assert total is not None, "a window has a pixel"
    return total


def unframed(x: Term, padding: Frame, sizes: tuple[Size, ...]) -> Term:
    """A framed image without its frame."""
    for axis, (before, after) in enumerate(padding, start=-len(padding)):
        x = x.slice(axis, before, before + sizes[axis]) if before or after else x
    return x


# -------------------------------------- windows that differ between examples


def correlated(image: Term, filters: Term, counts: tuple[Size, ...], laid: Laid) -> Term:
    """A convolution of an image [k, *sizes] with filters [o, k / groups, *size] that are computed: [o, *counts].

    The kernels of torch and of ONNX have one set of filters for all examples. This is a product of the filters with what the
    windows see, all places of a window beside each other.
    """
    size, groups = window(filters.value.type), laid["groups"]
    parts = seen(framed_term(image, laid["padding"]), size, laid["stride"], counts, laid["dilation"])
    views = parts[0].emit(Stack, *parts[1:]).reshape(groups, image.shape[0] // groups, *counts, prod(size))
    letters = "xyz"[: len(size)]
    result = _in_places(filters, groups).einsum(f"gocs,gc{letters}s->go{letters}", views)
    return result.reshape(filters.shape[0], *counts)


def spread(image: Term, filters: Term, sizes: tuple[Size, ...], laid: Laid) -> Term:
    """The transpose of a convolution whose filters [o, k / groups, *size] are computed, of an image [o, *counts]: [k, *sizes]."""
    size, groups, letters = window(filters.value.type), laid["groups"], "xyz"[: len(filters.shape) - 2]
    _check_width(size)
    rows = image.reshape(groups, image.shape[0] // groups, *image.shape[1:])
    shares = _in_places(filters, groups).einsum(f"gocs,go{letters}->sgc{letters}", rows)
    channels = filters.shape[1] * groups
    parts = [shares.slice(-shares.rank, s, s + 1).reshape(channels, *image.shape[1:]) for s in range(prod(size))]
    whole = tuple(n + sum(pair) for n, pair in zip(sizes, laid["padding"], strict=True))
    return unframed(given_back(parts, whole, size, laid["stride"], laid["dilation"]), laid["padding"], sizes)


def _in_places(filters: Term, groups: int) -> Term:
    """[o, k / groups, *size] as [groups, o / groups, k / groups, places]."""
    out, channels, *size = filters.shape
    return filters.reshape(groups, out // groups, channels, prod(size))


def _check_width(size: Counts) -> None:
    if prod(size) > WIDEST:
        shown = " x ".join(map(str, size))
        message = f"it goes through windows pixel by pixel, and {shown} are too many (up to {WIDEST} in all)"
        raise ShapeError("too-deep", message)


def _places(size: Counts, dilation: Counts | None) -> list[Counts]:
    """The places of a window's pixels, row by row."""
    steps = dilation or (1,) * len(size)
    return list(product(*(range(0, n * step, step) for n, step in zip(size, steps, strict=True))))
