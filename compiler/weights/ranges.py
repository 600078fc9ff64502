"""Which elements of a tensor are used, as ranges of their places in memory: a byte for each would be as much as the tensor."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from mai.compiler.weights.rules import Chain
from mai.runtime.arrays import Array

Ranges: TypeAlias = tuple[
    Array, Array
]  # The first places, in ascending order, and those after the last; they do not touch.


def parts_of(shape: tuple[int, ...], chain: Chain) -> Ranges:
    """What the steps of a chain leave of a tensor.

    They are applied to an array that is never written to, and so has no memory: what they give is a view of it, or it cannot be said.

    Raises:
        ValueError: the shape does not allow a step.
    """
    whole = np.empty(shape, np.uint8)
    view = chain.apply(whole)
    if not view.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    begin = view.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    starts, length = np.array([begin], np.int64), 1
    for stride, size in sorted(zip(view.strides, view.shape, strict=True)):
        if size == 1:
            continue
        if stride < 0:
            starts, stride = starts + stride * (size - 1), -stride
        if stride == length and len(starts) == 1:
            length *= size
        else:
            starts = (starts + stride * np.arange(size, dtype=np.int64)[:, None]).reshape(-1)
    return joined((starts, starts + length))


def joined(*parts: Ranges) -> Ranges:
    """Ranges together, those that overlap or touch as one."""
    starts, ends = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    if not len(starts):
        return starts, ends
    begins = np.concatenate([[True], starts[1:] > ends[:-1]])
    return starts[begins], ends[np.append(np.flatnonzero(begins)[1:] - 1, len(ends) - 1)]


def count_of(ranges: Ranges) -> int:
    """How many elements they are."""
    return int((ranges[1] - ranges[0]).sum())
