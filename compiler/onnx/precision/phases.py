"""A transposed convolution as convolutions: ONNX has no transposed one of whole numbers.

With a stride of s, the pixels of the result at s m + a, for each a below s, are a convolution of their own, of the taps of the
window that fall on a pixel of the image. Side by side they are the result, each s-th pixel one of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from mai.runtime.arrays import Array


@dataclass(frozen=True, slots=True)
class Piece:
    """A convolution: its weight [o, k, *size], and the frame before and after each axis."""

    weight: Array
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Axis:
    """Along one axis: the window's place for each of the piece's, -1 for none, and the frame."""

    places: tuple[int, ...]
    before: int
    after: int


def pieces(weight: Array, stride: int, pads: Sequence[int], lost: Sequence[int]) -> tuple[list[Piece], list[int]]:
    """The convolutions, the last axis counting fastest, and how many pixels too many each axis then has at its end.

    Args:
        weight: that of the transposed convolution, [k, o, *size].
        pads: what it takes off before each axis, then after each.
        lost: what it adds at the end of each.
    """
    axes = weight.ndim - 2
    more = [
        lost[i] + weight.shape[i + 2] - stride - pads[i] - pads[axes + i] for i in range(axes)
    ]  # Beyond stride * n.
    spans = [[_along(weight.shape[i + 2], stride, pads[i], more[i], a) for a in range(stride)] for i in range(axes)]
    parts = [_piece(weight, phase) for phase in product(*spans)]
    return _merged(parts), [-(-extra // stride) * stride - extra for extra in more]


def _along(width: int, stride: int, pad: int, more: int, phase: int) -> _Axis:
    """Pixel s m + a of the result reads the pixels m + c, m + c - 1, ... of the image with the window's places a', a' + s, ..."""
    shift, first = divmod(phase + pad, stride)
    taps = len(range(first, width, stride))
    longer = -(-more // stride)  # How many more pixels a phase has than the image.
    low, high = min(shift - taps + 1, 0), max(shift, -longer, 0)
    places = [first + stride * (shift - offset) for offset in range(low, high + 1)]
    inside = tuple(place if first <= place < width else -1 for place in places)
    return _Axis(inside, -low, high + longer)


def _piece(weight: Array, phase: Sequence[_Axis]) -> Piece:
    taken = np.pad(weight, [(0, 0), (0, 0), *((0, 1) for _ in phase)]).swapaxes(0, 1)  # What is at -1 is 0.
    for axis, along in enumerate(phase, start=2):
        taken = np.take(taken, along.places, axis)
    return Piece(taken, tuple(a.before for a in phase), tuple(a.after for a in phase))


def _merged(parts: list[Piece]) -> list[Piece]:
    """One convolution with the channels of all, where they are laid alike: windows as wide as their stride."""
    if len({(p.weight.shape, p.before, p.after) for p in parts}) > 1:
        return parts
    return [Piece(np.concatenate([p.weight for p in parts]), parts[0].before, parts[0].after)]
