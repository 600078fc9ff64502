"""What draws are computed with in ONNX: whole numbers of 64 bits, or limbs that are right in 32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from mai.compiler.ops.backends import Number, Onnx, Scalar, V
from mai.compiler.ops.random.limbs import Limbs, in_limbs, limbs_of, philox_in_limbs, round_keys
from mai.compiler.ops.random.philox import LOW, ROUNDS
from mai.compiler.ops.random.words import W, WholeWords, Words

INT32, INT64 = 6, 7  # ONNX's numbers of types.


class OnnxNumbers(Words[V, Scalar[V], Number[V], W], Generic[V, W]):
    """What ONNX operations make of numbers, whatever words are.

    Constants have all axes: ONNX Runtime takes them up to thirty times as fast where the last axis has one element.
    """

    dtype = "int64"

    def __init__(self, op: Onnx[V], lead: int) -> None:
        self.op, self.lead = op, lead
        self.count = op.numel

    def _wrapped(self, x: V) -> Number[V]:
        return self.op.wrap(x, self.lead + 2, self.dtype)

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Number[V]:
        """[2, 1..., n]."""
        nested: list[object] = [list(first), list(second)]
        for _ in range(self.lead):
            nested = [[row] for row in nested]
        return self._wrapped(self.op.const(nested, self.dtype))

    def column(self, x: V) -> Number[V]:
        """[lead..., 1], int64."""
        return self.op.wrap(self.op.Unsqueeze(x, self.op.ints([-1])), self.lead + 1)

    def blocks(self, count: int | Number[V]) -> Number[V]:
        """[2, 1..., blocks]."""
        if isinstance(count, int):
            return self.pair(range(count), [0] * count)
        return self._wrapped(self.op.Range(self.op.int(0), count.value, self.op.int(1))) * self.pair([1], [0])

    def round_keys(self, seed: V) -> Sequence[W]:
        """Computed once for all draws."""
        return self.op.where_made(seed, ("round keys", self.dtype, self.lead), lambda: self.keys_of(seed))

    def rows(self, keys: Number[V]) -> list[Number[V]]:
        """One value [2, lead..., 1] for each round."""
        parts = self.op.several("Split", ROUNDS, keys.value, axis=-1, num_outputs=ROUNDS)
        return [self._wrapped(part) for part in parts]

    def swap(self, x: Number[V]) -> Number[V]:
        """Along the first axis."""
        return self._wrapped(self.op.Gather(x.value, self.op.ints([1, 0]), axis=0))

    def real(self, x: Number[V]) -> Number[V]:
        """Exact below 2^24."""
        return self._wrapped(self.op.Cast(x.value, to=1))

    def log(self, x: Number[V]) -> Number[V]:
        """The natural logarithm of each element."""
        return self._wrapped(self.op.Log(x.value))

    def sqrt(self, x: Number[V]) -> Number[V]:
        """The square root of each element."""
        return self._wrapped(self.op.Sqrt(x.value))

    def cos(self, x: Number[V]) -> Number[V]:
        """The cosine of each element."""
        return self._wrapped(self.op.Cos(x.value))

    def sin(self, x: Number[V]) -> Number[V]:
        """The sine of each element."""
        return self._wrapped(self.op.Sin(x.value))

    def join(self, a: Number[V], b: Number[V]) -> Number[V]:
        """[4, lead..., blocks]."""
        return self._wrapped(self.op.Concat(a.value, b.value, axis=0))

    def finish(self, x: Number[V], shape: Sequence[Scalar[V]], lead: Sequence[Scalar[V]]) -> V:
        """As many elements as are wanted; a number of them that four divides needs no cut."""
        count = self.count(shape)
        numbers = self.op.Transpose(x.value, perm=[*range(1, self.lead + 2), 0])
        if isinstance(count, int) and count % 4 == 0:
            return self.op.reshape(numbers, [*lead, *shape])
        if not isinstance(count, int) or count > 4:
            numbers = self.op.reshape(numbers, [*lead, (count + 3) // 4 * 4])
        cut = self.op.Slice(numbers, self.op.ints([0]), self.op.shape_vector([count]), self.op.ints([-1]))
        return self.op.reshape(cut, [*lead, *shape])

    def stack(self, *parts: V) -> V:
        """[..., parts], int64."""
        last = self.op.ints([-1])
        return self.op.Cast(self.op.Concat(*(self.op.Unsqueeze(x, last) for x in parts), axis=-1), to=INT64)


class OnnxWords(OnnxNumbers[V, Number[V]], WholeWords[V, Scalar[V], Number[V]]):
    """Words in int64."""


class OnnxLimbs(OnnxNumbers[V, Limbs[Number[V]]]):
    """The same words in limbs of int32 (`limbs.py`), for hosts that compute int64 as int32, too.

    Seeds of 64 bits, turns and examples come as int64, and are taken apart in it. Where a host has narrowed them, they are
    right below 2^31.
    """

    dtype = "int32"

    def words(
        self, seed: V, turn: V, example: V, place: int, count: int | Number[V]
    ) -> tuple[Limbs[Number[V]], Limbs[Number[V]]]:
        blocks, turns, examples = self._blocks((count + 3) // 4), self._counted(turn), self._counted(example)
        first, second = self.pair([1], [0]), self.pair([0], [1])
        fixed = [self.pair([0], [limb]) for limb in limbs_of(place)]
        even = [block + number * second for block, number in zip(blocks, turns, strict=True)]
        odd = [number * first + limb for number, limb in zip(examples, fixed, strict=True)]
        return philox_in_limbs((even[0], even[1]), (odd[0], odd[1]), self.round_keys(seed), self.pair, self.swap)

    def _blocks(self, count: int | Number[V]) -> Limbs[Number[V]]:
        """The limbs of the numbers of the blocks."""
        if not isinstance(count, int):
            numbers = self.op.wrap(self.op.Range(self.op.int(0), count.value, self.op.int(1)), 1)
            low, high = (self._narrow(limb) * self.pair([1], [0]) for limb in in_limbs(numbers))
            return low, high
        limbs = [limbs_of(block) for block in range(count)]
        low, high = (self.pair([limb[i] for limb in limbs], [0] * count) for i in (0, 1))
        return low, high

    def _counted(self, x: V) -> Limbs[Number[V]]:
        """The limbs of the lower 32 bits of turns or examples, [lead..., 1]; taken apart once."""
        return self.op.where_made(x, ("limbs", self.lead), lambda: self._lower(x))

    def _lower(self, x: V) -> Limbs[Number[V]]:
        low, rest = in_limbs(self.column(x))
        return self._narrow(low), self._narrow(rest & LOW)

    def _narrow(self, x: Number[V]) -> Number[V]:
        return self._wrapped(self.op.Cast(x.value, to=INT32))

    def keys_of(self, seed: V) -> Sequence[Limbs[Number[V]]]:
        """The limbs of the seed, four of them, and the round keys of its halves."""
        limbs, rest = [], self.column(seed)
        for _ in range(4):
            limb, rest = in_limbs(rest)
            limbs.append(self._narrow(limb))
        low, high = (a * self.pair([1], [0]) + b * self.pair([0], [1]) for a, b in (limbs[0::2], limbs[1::2]))
        return list(zip(*map(self.rows, round_keys(low, high, self.pair)), strict=True))

    def join_words(self, even: Limbs[Number[V]], odd: Limbs[Number[V]]) -> Limbs[Number[V]]:
        low, high = (self.join(a, b) for a, b in zip(even, odd, strict=True))
        return low, high

    def unit(self, words: Limbs[Number[V]]) -> Number[V]:
        """In limbs, word >> 9 is high 2^7 + (low >> 9)."""
        low, high = words
        return (self.real(high * 128 + (low >> 9)) + 0.5) * 2.0**-23

    def halves(self, words: Limbs[Number[V]]) -> Limbs[Number[V]]:
        return words
