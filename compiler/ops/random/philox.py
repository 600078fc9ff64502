"""Philox4x32-10, a counter-based generator (Salmon et al. 2011), in 64-bit integer arithmetic.

It is written once, over `+ - * >> & ^` on arrays of int64, and so runs in numpy, in torch and as ONNX operations, and
gives the same bits in all of them. The four words of a counter are held as two pairs, (c0, c2) and (c1, c3), each pair
the first axis of an array, so that a round is one operation for both of its products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Self, TypeVar


class Arithmetic(Protocol):
    """Numbers of numpy's or torch's arrays, or of an ONNX graph; `// >> & ^` are of whole ones."""

    def __add__(self, other: Self | float) -> Self: ...
    def __sub__(self, other: Self | float) -> Self: ...
    def __mul__(self, other: Self | float) -> Self: ...
    def __floordiv__(self, other: Self | int) -> Self: ...
    def __rshift__(self, bits: int) -> Self: ...
    def __and__(self, other: Self | int) -> Self: ...
    def __xor__(self, other: Self | int) -> Self: ...


N = TypeVar("N", bound=Arithmetic)

MASK = 0xFFFFFFFF
WORD = 1 << 32
HALF = 16  # Bits of half a word.
LOW = (1 << HALF) - 1
MULTIPLIERS_SWAPPED = (0xCD9E8D57, 0xD2511F53)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10


def key_schedule() -> list[list[int]]:
    """What each round adds to the two words of the key: [ROUNDS, 2]."""
    return [[(r * w) & MASK for w in WEYL] for r in range(ROUNDS)]


def philox(even: N, odd: N, keys: Sequence[N], multipliers: N, swap: Callable[[N], N]) -> tuple[N, N]:
    """Ten rounds on the words (c0, c2) and (c1, c3), pairs along the first axis; `keys` are the ten round keys.

    A product of two 32-bit words may exceed 63 bits and wraps around. Its low word is right all the same, and what is
    left after taking it away is a multiple of 2^32, so that a shift is an exact quotient, whichever way it is made.
    """
    for key in keys:
        product = swap(even) * multipliers
        low = product & MASK
        high = ((product - low) >> 32) & MASK
        even, odd = high ^ odd ^ key, low
    return even, odd
