"""The times of the rows of series, and of those that will follow them."""

from __future__ import annotations

import numpy as np

from mai.compiler.data.windows.ordered import DAY, MICROSECOND, Ordered
from mai.runtime.arrays import Array

IN_DAYS, IN_MONTHS = "datetime64[D]", "datetime64[M]"


def clock_of(rows: Ordered) -> Array:
    """The time of each row; its number within its series, from 1, where there are no times."""
    if rows.times is None:
        begins = np.flatnonzero(np.diff(rows.groups, prepend=-1))
        sizes = np.diff(np.append(begins, len(rows.groups)))
        return np.arange(len(rows.groups)) - np.repeat(begins, sizes) + 1
    return rows.times.astype(MICROSECOND) if rows.times.dtype.kind == "i" else rows.times


def following(times: Array, groups: Array, end: Array, horizon: int) -> Array:
    """The times of the rows after each window: those that are there, and beyond them as the series goes on."""
    ends = np.append(np.flatnonzero(np.diff(groups)), len(groups) - 1)  # The last row of each series.
    series = np.searchsorted(ends, end)
    last = ends[series]
    steps = end[:, None] + np.arange(1, horizon + 1)
    beyond = np.maximum(steps - last[:, None], 0)
    there = times[np.minimum(steps, last[:, None])]
    return np.where(beyond > 0, _later(there, beyond, series, times, ends), there)


def _later(start: Array, steps: Array, series: Array, times: Array, ends: Array) -> Array:
    """Times so many steps later: by months, working days, or the usual distance between two rows."""
    within = np.delete(np.arange(len(times)), ends)  # The rows that have one after them.
    distances = np.diff(times)[within]
    if times.dtype.kind != "M":
        later: Array = start + steps * _usual(distances.astype(float), 1.0)
        return later
    months = _months(times, within)
    day = _days_of_month(times, ends) if months is not None else None
    if months is not None and day is not None:
        return _months_later(start, steps * months, day[series][:, None])
    return _days_later(start, steps, times, _usual(distances.astype(np.int64), DAY))


def _usual(distances: Array, single: float) -> float:
    """The usual distance between two rows, or `single` where each series has one row."""
    return float(np.median(distances)) if len(distances) else single


def _days_later(start: Array, steps: Array, times: Array, usual: float) -> Array:
    days = start.astype(IN_DAYS)
    if usual == DAY and len(times) > 9 and bool(np.is_busday(times.astype(IN_DAYS)).all()):
        by_day: Array = np.busday_offset(days, steps, roll="forward").astype(MICROSECOND) + (start - days)
        return by_day
    later: Array = start + (steps * usual).astype("timedelta64[us]")
    return later


def _months(times: Array, within: Array) -> int | None:
    """How many months lie between two rows, where it is always as many."""
    counts = np.diff(times.astype(IN_MONTHS)).astype(np.int64)[within]
    return int(counts[0]) if len(counts) and counts.min() == counts.max() >= 1 else None


def _days_of_month(times: Array, ends: Array) -> Array | None:
    """The day of the month on which each series stands, [series]: the largest that it shows, which shorter months keep to their ends.

    A series of month ends has the day 31. None where a series stands on no one day, or at no one time of it.
    """
    days, lengths = _day_of(times), _length_of(times.astype(IN_MONTHS))
    begins = np.append(0, ends[:-1] + 1)
    counts = np.diff(begins, append=len(times))
    largest: Array = np.maximum.reduceat(days, begins)
    largest[np.logical_and.reduceat(days == lengths, begins)] = 31
    clocks = times - times.astype(IN_DAYS)
    stands = days == np.minimum(np.repeat(largest, counts), lengths)
    return largest if np.all(stands & (clocks == np.repeat(clocks[ends], counts))) else None


def _months_later(start: Array, months: Array, day: Array) -> Array:
    """Times so many months later, on a day of the month that is kept to the month's end."""
    month = start.astype(IN_MONTHS) + months
    date = month.astype(IN_DAYS) + (np.minimum(day, _length_of(month)) - 1)
    later: Array = date.astype(MICROSECOND) + (start - start.astype(IN_DAYS))
    return later


def _day_of(times: Array) -> Array:
    """The days of the month, from 1."""
    days: Array = (times.astype(IN_DAYS) - times.astype(IN_MONTHS).astype(IN_DAYS)).astype(np.int64) + 1
    return days


def _length_of(months: Array) -> Array:
    """How many days these months have."""
    lengths: Array = ((months + 1).astype(IN_DAYS) - months.astype(IN_DAYS)).astype(np.int64)
    return lengths
