"""Many numbers, some at a time: their range, mean and deviation exactly, their quantiles by a sample."""

from __future__ import annotations

import numpy as np

from mai.runtime.arrays import Array

SAMPLE = 20_000


class Numbers:
    """`count` numbers: `low` to `high`, their `mean` and `deviation`, whether they `are_whole`, and a `sample` of them.

    The sample has every k-th of them, k twice as large whenever there are too many; so it does not depend on chance. What is not
    finite is counted apart.
    """

    def __init__(self) -> None:
        self.count, self.infinite = 0, 0
        self.low, self.high = np.inf, -np.inf
        self.mean = self._squares = 0.0
        self.are_whole = True
        self._every, self._seen, self._size = 1, 0, 0
        self._kept: list[Array] = []

    def add(self, numbers: Array) -> None:
        """The next ones, [n], in 64 bits."""
        finite = numbers[np.isfinite(numbers)]
        self.infinite += len(numbers) - len(finite)
        if not len(finite):
            return
        self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        self.are_whole = self.are_whole and bool((finite == np.floor(finite)).all())
        self._keep(finite)
        total, mean = self.count + len(finite), float(finite.mean())
        # Chan, Golub and LeVeque 1983: the squares of two parts together.
        change = mean - self.mean
        self._squares += float(((finite - mean) ** 2).sum()) + change**2 * self.count * len(finite) / total
        self.mean += change * len(finite) / total
        self.count = total

    @property
    def deviation(self) -> float:
        """The standard deviation, of the numbers as they are."""
        return float(np.sqrt(self._squares / max(self.count, 1)))

    @property
    def sample(self) -> Array:
        """Some of the numbers, evenly chosen; all where there are few."""
        return np.concatenate(self._kept) if self._kept else np.empty(0)

    def quantile(self, share: float) -> float:
        """The number that a share of the others is below, by the sample."""
        return float(np.quantile(self.sample, share)) if self.count else np.nan

    def _keep(self, numbers: Array) -> None:
        """Of all numbers so far those whose places are multiples of `_every`."""
        chosen = numbers[-self._seen % self._every :: self._every]
        self._seen += len(numbers)
        self._kept.append(chosen)
        self._size += len(chosen)
        while self._size > SAMPLE:
            self._every *= 2
            self._kept = [self.sample[::2]]
            self._size = len(self._kept[0])
