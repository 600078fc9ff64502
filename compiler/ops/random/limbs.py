"""Philox4x32-10 once more, in whole numbers that never pass 31 bits and a sign.

Some engines compute int64 as int32, where a product of two words overflows. Here a word is two limbs of 16 bits, the lower
one first, and a multiplier is m0 + m1 2^16 + 2^32 with m0 and m1 between -2^15 and 2^15. Nothing relies on overflow, and the
words are those of `philox.py`, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mai.compiler.ops.random.philox import HALF, LOW, MULTIPLIERS_SWAPPED, ROUNDS, N, key_schedule

BASE = 1 << HALF
OFFSET = 1 << 30  # Brings the sum of the two middle products, between -2.8e9 and 0.6e9, within 31 bits.
Limbs = tuple[N, N]  # Of one word, the lower one first.
Pair = Callable[[Sequence[int], Sequence[int]], N]  # Numbers for the two words of a pair.


def limbs_of(number: int) -> tuple[int, int]:
    """The limbs of a number of 32 bits, the lower one first."""
    return number & LOW, number >> HALF


def in_limbs(x: N) -> Limbs[N]:
    """(low, rest) with x = low + rest 2^16 and 0 <= low < 2^16; the quotient is exact, whichever way it is rounded."""
    low = x & LOW
    return low, (x - low) // BASE


def balanced(multiplier: int) -> tuple[int, int]:
    """(m0, m1) of a multiplier above 2^31."""
    low, high = limbs_of(multiplier)
    carry = low >> (HALF - 1)
    return low - carry * BASE, high + carry - BASE


def philox_in_limbs(
    even: Limbs[N], odd: Limbs[N], keys: Sequence[Limbs[N]], pair: Pair[N], swap: Callable[[N], N]
) -> tuple[Limbs[N], Limbs[N]]:
    """Ten rounds on the words (c0, c2) and (c1, c3), each the limbs of a pair; `keys` are the ten round keys.

    `pair` makes numbers for the two words of a pair, `swap` exchanges its words.
    """
    m0, m1 = (pair([a], [b]) for a, b in zip(*map(balanced, MULTIPLIERS_SWAPPED), strict=True))
    for key in keys:
        s0, s1 = swap(even[0]), swap(even[1])
        low0, carry = in_limbs(s0 * m0)
        low1, carry = in_limbs(s1 * m0 + (s0 * m1 + (carry + OFFSET)))
        high0, carry = in_limbs(s1 * m1 + (s0 + (carry - OFFSET // BASE)))
        high1 = (s1 + carry) & LOW
        even, odd = (high0 ^ odd[0] ^ key[0], high1 ^ odd[1] ^ key[1]), (low0, low1)
    return even, odd


def round_keys(low: N, high: N, pair: Pair[N]) -> Limbs[N]:
    """The limbs of the keys of all rounds, side by side, of the limbs of the two words of the key."""
    added = [[limbs_of(row[word]) for row in key_schedule()] for word in (0, 1)]
    weyl0, weyl1 = (pair(*([word[r][limb] for r in range(ROUNDS)] for word in added)) for limb in (0, 1))
    first, carry = in_limbs(low + weyl0)
    return first, (high + weyl1 + carry) & LOW
