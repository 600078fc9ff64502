"""Numbers of a table that lie far outside of what training had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.model.manifest import Facts


class FarNumbers:
    """How many rows of each column of an input lie further outside of the range of training than that is long."""

    def __init__(self, facts: Facts | None, columns: Sequence[str]) -> None:
        self._columns = columns
        self._rows, self._first = np.zeros(len(columns), np.int64), [np.nan] * len(columns)
        self._ranges = [] if facts is None or facts.dates is not None else _ranges(facts, len(columns))

    def add(self, columns: Sequence[Array]) -> None:
        """Add the next rows of each column, [n, ...]."""
        for place, ((low, high), numbers) in enumerate(zip(self._ranges, columns, strict=False)):
            length = high - low
            are_far = (numbers < low - length) | (numbers > high + length)
            if length > 0 and are_far.any():
                if not self._rows[place]:
                    self._first[place] = float(numbers[are_far].flat[0])
                self._rows[place] += int(are_far.reshape(len(numbers), -1).any(1).sum())

    def notes(self) -> Iterator[str]:
        """What is said of the columns that have such rows."""
        for column, rows, first, (low, high) in zip(self._columns, self._rows, self._first, self._ranges, strict=False):
            if rows:
                many = "1 row is" if rows == 1 else f"{rows:,} rows are"
                yield f"`{column}`: {many} far outside of what training had, {low:.6g} to {high:.6g}: {first:.6g} for one"


def _ranges(facts: Facts, count: int) -> list[tuple[float, float]]:
    """From which to which number each of so many columns was; one range for all where they share it, or are one column of lists."""
    if len(facts.low) == count:
        return list(zip(facts.low, facts.high, strict=True))
    return [(min(facts.low), max(facts.high))] * count
