"""What draws are computed with, one class an arithmetic: the generator's words in whole numbers of 64 bits, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mai.compiler.ops.backends import Tensor
from mai.compiler.ops.random.philox import HALF, LOW, MASK, MULTIPLIERS_SWAPPED, ROUNDS, WORD, key_schedule, philox


class Words:
    """What a draw with `lead` lead axes is written in. Words are arrays [pair, lead..., block].

    A subclass says, for its library: `pair`, numbers for the two words of a pair, one for all blocks or one for each;
    `column`, whole numbers [lead...] with an axis for the blocks; `count`, the number of elements of a shape; `blocks`, the
    numbers of the blocks in the first word of a pair; `rows`, the keys of the rounds, which lie where blocks do; `swap`, the
    two words of a pair exchanged; `real`, whole numbers as float32; `join`, two pairs as the four elements of each block;
    `finish`, [4, lead..., blocks] to the elements that are wanted; `stack`, arrays side by side along a last axis; and log,
    sqrt, cos and sin.
    """

    lead: int
    pair: Any
    column: Any
    count: Any
    blocks: Any
    rows: Any
    swap: Any
    real: Any
    join: Any
    finish: Any
    stack: Any
    log: Any
    sqrt: Any
    cos: Any
    sin: Any

    def words(self, seed: Any, turn: Any, example: Any, place: int, count: Any) -> tuple[Any, Any]:
        """The generator's output words (c0, c2) and (c1, c3) for a number of elements.

        The counter is (block, example, turn, place), of which the lower 32 bits count.
        """
        even = self.blocks((count + 3) // 4) + (self.column(turn) & MASK) * self.pair([0], [1])
        odd = (self.column(example) & MASK) * self.pair([1], [0]) + self.pair([0], [place])
        multipliers = self.pair(*([m] for m in MULTIPLIERS_SWAPPED))
        return philox(even, odd, self.round_keys(seed), multipliers, self.swap)

    def round_keys(self, seed: Any) -> Sequence[Any]:
        """The key is the seed's lower and upper half. The lower is taken away first, so that the quotient is exact."""
        column = self.column(seed)
        halves = (column - (column & self.pair([0], [MASK]))) // self.pair([1], [WORD])
        keys: Sequence[Any] = self.rows((halves + self.pair(*zip(*key_schedule(), strict=True))) & MASK)
        return keys

    def join_words(self, even: Any, odd: Any) -> Any:
        """The words of each block, side by side as `join` puts elements."""
        return self.join(even, odd)

    def unit(self, words: Any) -> Any:
        """Strictly between 0 and 1: ((word >> 9) + 1/2) / 2^23, exact in single precision."""
        return (self.real(words >> 9) + 0.5) * 2.0**-23

    def halves(self, words: Any) -> tuple[Any, Any]:
        """The lower and the upper 16 bits of words."""
        return words & LOW, words >> HALF


class NumpyWords(Words):
    """In numpy."""

    def __init__(self, np: Any, lead: int) -> None:
        self.np, self.lead = np, lead
        self.log, self.sqrt, self.cos, self.sin = np.log, np.sqrt, np.cos, np.sin

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Any:
        """[2, 1..., n]."""
        return self.np.array([first, second], self.np.int64).reshape((2, *(1,) * self.lead, -1))

    def column(self, x: Tensor) -> Any:
        """[lead..., 1]."""
        return self.np.asarray(x, self.np.int64)[..., None]

    def count(self, shape: Sequence[int]) -> int:
        """A number, since sizes are known."""
        total = 1
        for size in shape:
            total = total * size
        return total

    def blocks(self, count: int) -> Any:
        """[2, 1..., blocks]."""
        return self.np.arange(count) * self.pair([1], [0])

    def rows(self, keys: Tensor) -> Any:
        """One array [2, lead..., 1] for each round."""
        return self.np.split(keys, ROUNDS, -1)

    def swap(self, x: Tensor) -> Tensor:
        """Along the first axis."""
        return x[::-1]

    def real(self, x: Tensor) -> Tensor:
        """Exact below 2^24."""
        return x.astype(self.np.float32)

    def join(self, a: Tensor, b: Tensor) -> Any:
        """[4, lead..., blocks]."""
        return self.np.concatenate([a, b])

    def finish(self, x: Tensor, shape: Sequence[int], lead: Sequence[int]) -> Any:
        """The elements of a block lie side by side."""
        flat = self.np.moveaxis(x, 0, -1).reshape((*lead, -1))
        return flat[..., : self.count(shape)].reshape((*lead, *shape))

    def stack(self, *parts: Tensor) -> Any:
        """[..., parts]."""
        return self.np.stack(parts, -1)


class TorchWords(NumpyWords):
    """In torch, on one device."""

    def __init__(self, torch: Any, lead: int, device: Any) -> None:
        super().__init__(torch, lead)
        self.device = device

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Any:
        return self.np.tensor([first, second], device=self.device).reshape((2, *(1,) * self.lead, -1))

    def column(self, x: Tensor) -> Tensor:
        return x[..., None]

    def blocks(self, count: int) -> Any:
        return self.np.arange(count, device=self.device) * self.pair([1], [0])

    def rows(self, keys: Tensor) -> Any:
        return self.np.split(keys, 1, -1)

    def swap(self, x: Tensor) -> Tensor:
        return x.flip(0)

    def real(self, x: Tensor) -> Tensor:
        return x.float()
