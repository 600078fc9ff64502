"""Philox4x32-10 for devices without bitwise operators, as ONNX Runtime's CUDA: an exclusive or is a sum, looked up in a table.

A byte is spread so that each bit has two places: 0b101 is 0b010001. The sum of three such bytes has no carry, and the lower place
of each pair is the exclusive or of three bits. Everything else is whole numbers of 64 bits, whose products wrap around. The words
are those of `philox.py`, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from mai.compiler.ops.backends import Number, V
from mai.compiler.ops.random.onnx_words import INT64, OnnxWords
from mai.compiler.ops.random.philox import MULTIPLIERS_SWAPPED, WORD
from mai.compiler.ops.random.words import schedule

BYTE = 256
BYTES = 4  # Of a word.
UINT64 = 13  # ONNX's number of the type.
BITS = range(8)


@cache
def spread() -> list[int]:
    """[256]: each byte with its bit k at place 2 k."""
    return [sum((byte >> k & 1) << 2 * k for k in BITS) for byte in range(BYTE)]


@cache
def parity() -> list[int]:
    """[65536]: the byte whose bit k is that at place 2 k, which says whether a sum of spread bits is odd."""
    lower, upper = 1 << 4, 1 << 8
    half = [sum((x >> 2 * k & 1) << k for k in range(4)) for x in range(upper)]
    return [half[x % upper] + lower * half[x // upper] for x in range(BYTE**2)]


class OnnxTabled(OnnxWords[V]):
    """The words in int64, without a bitwise operator and without a reduction, which CUDA computes in single precision.

    Words [pair, lead..., block] have their bytes along one more axis where they are spread.
    """

    def words(self, seed: V, turn: V, example: V, place: int, count: int | Number[V]) -> tuple[Number[V], Number[V]]:
        even = self.blocks((count + 3) // 4) + self._lower(self.column(turn)) * self.pair([0], [1])
        odd = self._lower(self.column(example)) * self.pair([1], [0]) + self.pair([0], [place])
        first, second = MULTIPLIERS_SWAPPED
        multipliers = self.pair([first], [second])
        before = self._spread(odd, BYTES)
        for key in self.round_keys(seed):
            product = self.swap(even) * multipliers
            low, high = self._halves(self._spread(product, 2 * BYTES))
            even, before = self._joined(high + before + key), low
        return even, self._lower(product)

    def keys_of(self, seed: V) -> Sequence[Number[V]]:
        """The keys of all rounds, each spread. The seed's lower half is taken away first, so that the quotient is exact."""
        column = self.column(seed)
        halves = (column - self._modulo(column, self.pair([1], [WORD]))) // self.pair([1], [WORD])
        keys = self._lower(halves + schedule(self.pair))
        return [self._spread(key, BYTES) for key in self.rows(keys)]

    def unit(self, words: Number[V]) -> Number[V]:
        """As everywhere: ((word >> 9) + 1/2) / 2^23."""
        return (self.real(words // 512) + 0.5) * 2.0**-23

    def halves(self, words: Number[V]) -> tuple[Number[V], Number[V]]:
        """The lower and the upper 16 bits of words."""
        return self._modulo(words, BYTE**2), words // BYTE**2

    def _lower(self, x: Number[V]) -> Number[V]:
        """The lower 32 bits."""
        return self._modulo(x, WORD)

    def _modulo(self, x: Number[V], divisor: int | Number[V]) -> Number[V]:
        """What is left over, from 0 on."""
        other = self._constant(divisor) if isinstance(divisor, int) else divisor.value
        return self._wrapped(self.op.Mod(x.value, other))

    def _constant(self, number: int) -> V:
        """A number with an axis for each that a column has."""
        nested: object = number
        for _ in range(self.lead + 1):
            nested = [nested]
        return self.op.const(nested)

    def _spread(self, x: Number[V], count: int) -> Number[V]:
        """The lowest bytes of words, or of products that may have wrapped, the lowest first, each spread: [..., bytes]."""
        bits = self.op.Unsqueeze(self.op.Cast(x.value, to=UINT64), self.op.ints([-1]))
        powers = self.op.const([BYTE**i for i in range(count)], "uint64")
        parts = self.op.Mod(self.op.Div(bits, powers), self.op.const([BYTE], "uint64"))
        return self._bytes(self.op.Gather(self.op.const(spread(), "int64"), self.op.Cast(parts, to=INT64), axis=0))

    def _halves(self, x: Number[V]) -> tuple[Number[V], Number[V]]:
        """The bytes of a product's lower and upper word."""
        low, high = self.op.several("Split", 2, x.value, axis=-1, num_outputs=2)
        return self._bytes(low), self._bytes(high)

    def _joined(self, sums: Number[V]) -> Number[V]:
        """The words whose bits are odd in sums of spread bytes."""
        values = self.op.Cast(self.op.Gather(self.op.const(parity(), "uint8"), sums.value, axis=0), to=INT64)
        placed = self.op.Mul(values, self.op.const([BYTE**i for i in range(BYTES)]))
        first, *rest = self.op.several("Split", BYTES, placed, axis=-1, num_outputs=BYTES)
        for part in rest:
            first = self.op.Add(first, part)
        return self._wrapped(self.op.Squeeze(first, self.op.ints([-1])))

    def _bytes(self, x: V) -> Number[V]:
        return self.op.wrap(x, self.lead + 3, self.dtype)
