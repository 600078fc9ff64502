"""What is noted of a column while it is read: that its last row is the sum of all others, as in reports, and no example; what 32 bits cost its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of

FEWEST = 5  # Rows above: of fewer, one is the sum of the others by chance.
NEARLY = 1e-6  # Of the sum: what rounding and the order of adding change.
FAR_OFF = 2.0**17  # Numbers from here on are rounded by up to 1/128 or more in 32 bits.
LOST = 0.003  # The share of their range that numbers may be rounded by before a note says so.


class LastOfColumn:
    """The last number of a column beside the others, which are gone through block by block."""

    def __init__(self) -> None:
        self._count, self._sum, self._largest, self._last = 0, 0.0, 0.0, np.nan

    def add(self, numbers: Array) -> None:
        """The next ones, [n], NaN where there is none."""
        if not len(numbers):
            return
        others = np.append(self._last, numbers[:-1])
        others = others[np.isfinite(others)].astype(np.float64)
        self._count += len(others)
        self._sum += float(others.sum())
        self._largest = max(self._largest, float(np.abs(others).max(initial=0)))
        self._last = float(numbers[-1])

    @property
    def is_total(self) -> bool:
        """Whether it is a total of the others."""
        return is_total(self._last, self._sum, self._largest, self._count)


def is_total(last: float, sum_of_others: float, largest: float, count: int) -> bool:
    """Whether a number is the sum of so many others, and of a size beyond the `largest` size of them."""
    return count >= FEWEST and abs(last) > largest and abs(last - sum_of_others) <= NEARLY * abs(sum_of_others)


def note_of_totals(columns: Sequence[str]) -> str:
    """What is to be said of columns whose last number is the sum of the others."""
    return f"the last row is the sum of all others in {few_of([f'`{name}`' for name in columns])}: a line of totals is no example"


class Rounding:
    """The range of some numbers, and how far they are from those of 32 bits."""

    def __init__(self) -> None:
        self._low, self._high, self._lost = np.inf, -np.inf, 0.0

    def add(self, numbers: Array) -> None:
        """Add numbers, [n], as they are before they are rounded."""
        if numbers.dtype.itemsize > 4 and numbers.size:
            low, high = float(numbers.min()), float(numbers.max())
            self._low, self._high = min(self._low, low), max(self._high, high)
            if max(-low, high) > FAR_OFF:
                self._lost = max(self._lost, float(np.abs(numbers - numbers.astype(np.float32)).max()))

    def notes(self, column: str) -> Iterator[str]:
        """That numbers of a column are rounded, where that is much of their range."""
        if self._lost > LOST * (self._high - self._low) > 0:
            what = f"{self._low:.15g} to {self._high:.15g} are rounded by up to {self._lost:g}"
            yield f"column `{column}`: {what}, as numbers of 32 bits are: take off what they have in common"
