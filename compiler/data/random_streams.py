"""Random numbers for data: a stream of its own for every purpose, so that nothing depends on what else was drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.runtime.arrays import Array

ORDER, HOLD_OUT, FRESH, DRAWN_ONCE, SAMPLE = 1, 2, 3, 4, 5  # What random numbers are for.
NARROW = 1 << 32


def generator(*key: int) -> Generator:
    """Random numbers, a stream of its own for every key."""
    from numpy.random import Generator, Philox, SeedSequence

    return Generator(Philox(SeedSequence(list(key))))


def permutation(count: int, *key: int) -> Array:
    """The numbers below `count`, whole [count], in a random order; in 32 bits where these are enough."""
    import numpy as np

    return generator(*key).permutation(np.arange(count, dtype=np.uint32 if count < NARROW else np.int64))
