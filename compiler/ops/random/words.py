"""What draws are computed with, one class an arithmetic: the generator's words in whole numbers of 64 bits, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from mai.compiler.ops.backends import Arrays, Tensor
from mai.compiler.ops.random.limbs import Pair
from mai.compiler.ops.random.philox import HALF, LOW, MASK, MULTIPLIERS_SWAPPED, ROUNDS, WORD, N, key_schedule, philox

X = TypeVar("X")  # A value of the library.
S = TypeVar("S")  # A size as the library has it.
W = TypeVar("W")  # Words of the generator: numbers, or the limbs of each.


class Words(Generic[X, S, N, W]):
    """What a draw with `lead` lead axes is written in. Words are arrays [pair, lead..., block].

    A subclass says, for its library: `pair`, numbers for the two words of a pair, one for all blocks or one for each;
    `column`, whole numbers [lead...] with an axis for the blocks; `count`, the number of elements of a shape; `blocks`, the
    numbers of the blocks in the first word of a pair; `rows`, the keys of the rounds, which lie where blocks do; `swap`, the
    two words of a pair exchanged; `real`, whole numbers as float32; `join`, two pairs as the four elements of each block;
    `finish`, [4, lead..., blocks] to the elements that are wanted; `stack`, arrays side by side along a last axis; and log,
    sqrt, cos and sin.
    """

    lead: int
    pair: Pair[N]
    column: Callable[[X], N]
    count: Callable[[Sequence[S]], int | N]
    blocks: Callable[[int | N], N]
    rows: Callable[[N], Sequence[N]]
    swap: Callable[[N], N]
    real: Callable[[N], N]
    join: Callable[[N, N], N]
    finish: Callable[[N, Sequence[S], Sequence[S]], X]
    stack: Callable[..., X]
    log: Callable[[N], N]
    sqrt: Callable[[N], N]
    cos: Callable[[N], N]
    sin: Callable[[N], N]

    def words(self, seed: X, turn: X, example: X, place: int, count: int | N) -> tuple[W, W]:
        """The generator's output words (c0, c2) and (c1, c3) for a number of elements.

        The counter is (block, example, turn, place), of which the lower 32 bits count.
        """
        raise NotImplementedError

    def round_keys(self, seed: X) -> Sequence[W]:
        """The keys of all rounds."""
        return self.keys_of(seed)

    def keys_of(self, seed: X) -> Sequence[W]:
        """The same, computed anew: the key is the seed's lower and upper half."""
        raise NotImplementedError

    def join_words(self, even: W, odd: W) -> W:
        """The words of each block, side by side as `join` puts elements."""
        raise NotImplementedError

    def unit(self, words: W) -> N:
        """Strictly between 0 and 1: ((word >> 9) + 1/2) / 2^23, exact in single precision."""
        raise NotImplementedError

    def halves(self, words: W) -> tuple[N, N]:
        """The lower and the upper 16 bits of words."""
        raise NotImplementedError


class WholeWords(Words[X, S, N, N]):
    """Words in whole numbers of 64 bits."""

    def words(self, seed: X, turn: X, example: X, place: int, count: int | N) -> tuple[N, N]:
        even = self.blocks((count + 3) // 4) + (self.column(turn) & MASK) * self.pair([0], [1])
        odd = (self.column(example) & MASK) * self.pair([1], [0]) + self.pair([0], [place])
        first, second = MULTIPLIERS_SWAPPED
        multipliers = self.pair([first], [second])
        return philox(even, odd, self.round_keys(seed), multipliers, self.swap)

    def keys_of(self, seed: X) -> Sequence[N]:
        """The lower half is taken away first, so that the quotient is exact."""
        column = self.column(seed)
        halves = (column - (column & self.pair([0], [MASK]))) // self.pair([1], [WORD])
        return self.rows((halves + schedule(self.pair)) & MASK)

    def join_words(self, even: N, odd: N) -> N:
        return self.join(even, odd)

    def unit(self, words: N) -> N:
        return (self.real(words >> 9) + 0.5) * 2.0**-23

    def halves(self, words: N) -> tuple[N, N]:
        return words & LOW, words >> HALF


def schedule(pair: Pair[N]) -> N:
    """What each round adds to the two words of the key, side by side."""
    first, second = zip(*key_schedule(), strict=True)
    return pair(first, second)


class NumpyWords(WholeWords[Tensor, int, Tensor]):
    """In numpy."""

    def __init__(self, np: Arrays, lead: int) -> None:
        self.np, self.lead = np, lead
        self.log, self.sqrt, self.cos, self.sin = np.log, np.sqrt, np.cos, np.sin

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Tensor:
        """[2, 1..., n]."""
        return self.np.array([first, second], self.np.int64).reshape((2, *(1,) * self.lead, -1))

    def column(self, x: Tensor) -> Tensor:
        """[lead..., 1]."""
        return self.np.asarray(x, self.np.int64)[..., None]

    def count(self, shape: Sequence[int]) -> int:
        """A number, since sizes are known."""
        total = 1
        for size in shape:
            total = total * size
        return total

    def blocks(self, count: int | Tensor) -> Tensor:
        """[2, 1..., blocks]."""
        return self.np.arange(count) * self.pair([1], [0])

    def rows(self, keys: Tensor) -> Sequence[Tensor]:
        """One array [2, lead..., 1] for each round."""
        return [*self.np.split(keys, ROUNDS, -1)]

    def swap(self, x: Tensor) -> Tensor:
        """Along the first axis."""
        return x[::-1]

    def real(self, x: Tensor) -> Tensor:
        """Exact below 2^24."""
        return x.astype(self.np.float32)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """[4, lead..., blocks]."""
        return self.np.concatenate([a, b])

    def finish(self, x: Tensor, shape: Sequence[int], lead: Sequence[int]) -> Tensor:
        """The elements of a block lie side by side."""
        flat = self.np.moveaxis(x, 0, -1).reshape((*lead, -1))
        return flat[..., : self.count(shape)].reshape((*lead, *shape))

    def stack(self, *parts: Tensor) -> Tensor:
        """[..., parts]."""
        return self.np.stack(parts, -1)


class TorchWords(NumpyWords):
    """In torch, on one device."""

    def __init__(self, torch: Arrays, lead: int, device: object) -> None:
        super().__init__(torch, lead)
        self.device = device

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Tensor:
        return self.np.tensor([first, second], device=self.device).reshape((2, *(1,) * self.lead, -1))

    def column(self, x: Tensor) -> Tensor:
        return x[..., None]

    def blocks(self, count: int | Tensor) -> Tensor:
        return self.np.arange(count, device=self.device) * self.pair([1], [0])

    def rows(self, keys: Tensor) -> Sequence[Tensor]:
        return [*self.np.split(keys, 1, -1)]

    def swap(self, x: Tensor) -> Tensor:
        return x.flip(0)

    def real(self, x: Tensor) -> Tensor:
        return x.float()
