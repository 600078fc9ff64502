"""Numbers drawn by a rule of a few integer operations, so that any host can draw the same and no file has to hold them.

Number `i` of an input has the 32 bits `mix(stream * 0x85EBCA6B + i * 0x9E3779B9)`, modulo 2^32; the stream of input `k`, counted from
0, is `4096 * seed + k + 1`. A real one is the sum of their two
halves, centred and scaled to deviation 1, or `low + (high - low) * bits / 2^32`; a whole one is `classes * bits // 2^32`.

The mixing of bits is `lowbias32` of C. Wellons, "Prospecting for hash functions" (2018), in its form of 2022.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.self_test.record import Recipe

PLACE, STREAM = 0x9E3779B9, 0x85EBCA6B
DEVIATION = 26755.0  # Of the sum of two whole numbers below 2^16.
STREAMS = 4096  # More than a file has inputs.


def random_bits(count: int, stream: int) -> Array:
    """32 random bits for each of `count` elements, uint32 [count]."""
    start = np.uint32(stream * STREAM % 2**32)
    x = np.arange(count, dtype=np.uint32) * np.uint32(PLACE) + start
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x735A2D97)
    return x ^ (x >> np.uint32(15))


def draw(dtype: str, dims: Iterable[int], classes: int | None, place: int, recipe: Recipe) -> Array:
    """The values of an input of shape `dims`: the one at `place` among the inputs of its file.

    Whole numbers are below `classes`, or 2.
    """
    shape = tuple(dims)
    bits = random_bits(prod(shape), recipe.seed * STREAMS + place + 1)
    if dtype != "float32":
        return (bits.astype(np.uint64) * np.uint64(classes or 2) >> np.uint64(32)).astype(dtype).reshape(shape)
    if recipe.reals is None:
        halves = (bits & np.uint32(0xFFFF)).astype(np.float64) + (bits >> np.uint32(16))
        return ((halves - 65535.0) / DEVIATION).astype(np.float32).reshape(shape)
    low, high = recipe.reals
    return (low + (high - low) * bits.astype(np.float64) / 2.0**32).astype(np.float32).reshape(shape)
