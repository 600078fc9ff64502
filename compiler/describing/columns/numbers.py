"""Many numbers, some at a time: their range, mean and deviation exactly, their quantiles by a sample."""

from __future__ import annotations

import numpy as np

from mai.runtime.arrays import Array

SAMPLE = 20_000
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # The golden ratio's part after the point, in 64 bits.


class Numbers:
    """`count` numbers: `low` to `high`, their `mean` and `deviation`, whether they `are_whole`, and a `sample` of them.

    The sample does not depend on chance. What is not finite is counted apart.
    """

    def __init__(self) -> None:
        self.count, self.infinite = 0, 0
        self.low, self.high = np.inf, -np.inf
        self.mean = self._squares = 0.0
        self.are_whole = True
        self._seen, self._limit = 0, 2**64 - 1
        self._kept: Array = np.empty(0)
        self._places: Array = np.empty(0, np.uint64)

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
        return self._kept

    def quantile(self, share: float) -> float:
        """The number that a share of the others is below, by the sample."""
        return float(np.quantile(self.sample, share)) if self.count else np.nan

    def _keep(self, numbers: Array) -> None:
        """Of all numbers so far those whose place times the golden ratio has a part below a limit: an even choice without a period."""
        places = np.arange(self._seen, self._seen + len(numbers), dtype=np.uint64) * GOLDEN
        self._seen += len(numbers)
        below = places < self._limit
        self._kept = np.concatenate([self._kept, numbers[below]])
        self._places = np.concatenate([self._places, places[below]])
        while len(self._kept) > SAMPLE:
            self._limit //= 2
            below = self._places < self._limit
            self._kept, self._places = self._kept[below], self._places[below]
