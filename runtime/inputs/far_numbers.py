"""Numbers that lie far outside of those of the training data: in tables and in calls alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.model.manifest import Facts, Port

PERCENT = "%"
MOST_NOTES = 5  # Of one input.


class Range(NamedTuple):
    """From which to which number a column was in training, and which numbers are `near` these; None for dates, and where it was one number."""

    low: float
    high: float
    near: tuple[float, float] | None

    def far_rows(self, numbers: Array) -> tuple[int, float]:
        """How many rows of numbers, [n, ...], hold some that lie far outside, as NaN does not, and the first of these; NaN where there is none."""
        if self.near is None:
            return 0, np.nan
        are_far = (numbers < self.near[0]) | (numbers > self.near[1])
        if not are_far.any():
            return 0, np.nan
        return int(are_far.reshape(len(numbers), -1).any(1).sum()), float(numbers[are_far].flat[0])

    def note(self, column: str, rows: int, first: float) -> str:
        """What is said of so many rows of a column that lie far outside, `first` being one of their numbers."""
        many = "1 row is" if rows == 1 else f"{rows:,} rows are"
        return f"`{column}`: {many} far outside of what training had, {self.low:.6g} to {self.high:.6g}: {first:.6g} for one"


def ranges_in(facts: Facts, count: int) -> list[Range]:
    """The range of each of so many columns; one range for all where they share it, or are one column of lists: what is far from each is far from all."""
    if len(facts.low) == count:
        return [*map(Range, facts.low, facts.high, facts.near)]
    ends = [end for each in facts.near if each is not None for end in each]
    return [Range(min(facts.low), max(facts.high), (min(ends), max(ends)) if ends else None)] * count


def notes_of_far(port: Port, facts: Facts, array: Array) -> list[str]:
    """What is said of the numbers of an input, [batch, ...], that lie far outside of those of the data, or are shares of 1 in the place of per cent."""
    if not array.size:
        return []
    rows = array.reshape(len(array), -1)
    count = rows.shape[1]
    if len(facts.low) == count > 1:
        names, columns = facts.columns or [f"{port.name}{i}" for i in range(count)], [*rows.T]
    else:
        names, columns = [port.name], [rows]
    notes = [*_notes(names, ranges_in(facts, len(columns)), columns), *_notes_of_shares(names, facts, columns)]
    more = len(notes) - MOST_NOTES
    return [*notes[:MOST_NOTES], *([f"`{port.name}`: so are {more:,} more of its numbers"] if more > 0 else [])]


def _notes_of_shares(names: Sequence[str], facts: Facts, columns: Sequence[Array]) -> Iterator[str]:
    """What is said of columns that were per cent in training, as 52 %, and are no more than 1 here: such numbers may be shares, as 0.52."""
    for name, numbers, middle, cell in zip(names, columns, facts.middle, facts.percents or (), strict=False):
        size = float(np.fmax.reduce(np.abs(numbers), axis=None, initial=0))
        if PERCENT in cell and 0 < size <= 1 < abs(middle):
            yield f"`{name}`: training had per cent, as `{cell}`: {size:.6g} is {size:.6g} %, and not a share of 1"


def _notes(names: Sequence[str], ranges: Sequence[Range], columns: Sequence[Array]) -> Iterator[str]:
    for name, range_, numbers in zip(names, ranges, columns, strict=True):
        rows, first = range_.far_rows(numbers)
        if rows:
            yield range_.note(name, rows, first)
