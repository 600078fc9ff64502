"""Numbers and dates of a table that lie far outside of what training had, numbers that are all far smaller, and those that are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.inputs.counted_dates import TrainedDates
from mai.runtime.inputs.dates import far_dates, words_of_far
from mai.runtime.inputs.far_numbers import Range, ranges_in
from mai.runtime.model.manifest import Facts

SMALL = 0.05  # Of the median of training: a column of smaller numbers alone is in another unit, or of another kind.
FEW = 20  # Rows that may be so small by chance, unless they are far below the lowest that training had.


class FarNumbers:
    """How many rows of each column of an input lie further outside of the range of training than that is long, and how large its largest number is.

    And how many lack a value, where none that were trained on did: a file that takes them all the same has not learnt what that means.
    """

    def __init__(self, facts: Facts | None, columns: Sequence[str]) -> None:
        self._columns = columns
        self._rows, self._first = np.zeros(len(columns), np.int64), [np.nan] * len(columns)
        self._ranges = [] if facts is None or facts.dates is not None else ranges_in(facts, len(columns))
        self._middles = [] if facts is None else _each(facts.middle, len(columns))
        self._sizes, self._count = np.zeros(len(columns)), 0
        self._lacking, self._are_new = np.zeros(len(columns), np.int64), facts is not None and not facts.gaps

    def add(self, columns: Sequence[Array]) -> None:
        """Add the next rows of each column, [n, ...]."""
        self._count += len(columns[0]) if columns else 0
        for place, numbers in enumerate(columns if self._are_new else ()):
            if numbers.dtype.kind == "f":
                self._lacking[place] += np.isnan(numbers).reshape(len(numbers), -1).any(1).sum()
        for place, (range_, numbers) in enumerate(zip(self._ranges, columns, strict=False)):
            self._sizes[place] = np.fmax.reduce(np.abs(numbers), axis=None, initial=self._sizes[place])
            rows, first = range_.far_rows(numbers)
            if rows and not self._rows[place]:
                self._first[place] = first
            self._rows[place] += rows

    def notes(self) -> Iterator[str]:
        """What is said of the columns that have such rows."""
        for column, rows, first, range_ in zip(self._columns, self._rows, self._first, self._ranges, strict=False):
            if rows:
                yield range_.note(column, int(rows), first)
        for column, rows in zip(self._columns, self._lacking, strict=True):
            if rows:
                many = f"{rows:,} rows lack a value" if rows > 1 else "1 row lacks a value"
                yield f"`{column}`: {many}, and none that were trained on did: what the file makes of it was not learnt"
        each = zip(self._columns, self._rows, self._sizes, self._middles, self._ranges, strict=False)
        for column, rows, size, middle, range_ in each:
            if rows < self._count and self._are_small(size, middle, range_):
                yield f"`{column}`: all numbers are far smaller than those that training had, {middle:.6g} in the middle: {size:.6g} at most"

    def _are_small(self, size: float, middle: float, range_: Range) -> bool:
        # Of the sizes that training had; 0 or less where these reach beyond 0.
        least = SMALL * max(range_.low, -range_.high)
        return 0 < size < SMALL * abs(middle) and (self._count > FEW or size < least)


class FarDates:
    """The dates of each column of an input that lie far from those of the data, and how often each occurs."""

    def __init__(self, columns: Sequence[str], trained: Sequence[TrainedDates | None]) -> None:
        self._columns = [(name, dates, Counter[str]()) for name, dates in zip(columns, trained, strict=True)]

    def add(self, columns: Sequence[Array]) -> None:
        """Add the next rows of each column, [n, ...]."""
        for (_, dates, counts), days in zip(self._columns, columns, strict=True):
            if dates is not None:
                counts.update(words_of_far(dates, days))

    def notes(self) -> Iterator[str]:
        """What is said of the columns that have such dates."""
        for name, dates, counts in self._columns:
            if dates is not None and counts:
                yield far_dates(name, dates, counts)


def _each(middles: Sequence[float], count: int) -> list[float]:
    """The median of each of so many columns; the smallest for all where they share one range, or are one column of lists."""
    return [*middles] if len(middles) == count else [min(middles, key=abs)] * count
