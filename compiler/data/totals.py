"""A last row that is the sum of all others: a line of totals, as reports have one, and no example."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of

FEWEST = 5  # Rows above: of fewer, one is the sum of the others by chance.
NEARLY = 1e-6  # Of the sum: what rounding and the order of adding change.


class LastOfColumn:
    """The last number of a column beside the others, which are gone through block by block."""

    def __init__(self) -> None:
        self._count, self._sum, self._high, self._last = 0, 0.0, -np.inf, np.nan

    def add(self, numbers: Array) -> None:
        """The next ones, [n], NaN where there is none."""
        if not len(numbers):
            return
        others = np.append(self._last, numbers[:-1])
        others = others[np.isfinite(others)].astype(np.float64)
        self._count += len(others)
        self._sum += float(others.sum())
        self._high = max(self._high, float(others.max(initial=-np.inf)))
        self._last = float(numbers[-1])

    @property
    def is_total(self) -> bool:
        """Whether it is a total of the others."""
        return is_total(self._last, self._sum, self._high, self._count)


def is_total(last: float, sum_of_others: float, highest: float, count: int) -> bool:
    """Whether a number is the sum of so many others, and larger than the `highest` of them."""
    return count >= FEWEST and last > highest and abs(last - sum_of_others) <= NEARLY * abs(sum_of_others)


def note_of_totals(columns: Sequence[str]) -> str:
    """What is to be said of columns whose last number is the sum of the others."""
    return f"the last row is the sum of all others in {few_of([f'`{name}`' for name in columns])}: a line of totals is no example"
