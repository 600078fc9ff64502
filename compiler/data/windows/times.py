"""The times of the rows of series, and of those that will follow them."""

from __future__ import annotations

import numpy as np

from mai.compiler.data.windows.ordered import DAY, Ordered
from mai.runtime.arrays import Array

MICROSECOND = "datetime64[us]"


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
    last = ends[np.searchsorted(ends, end)]
    steps = end[:, None] + np.arange(1, horizon + 1)
    beyond = np.maximum(steps - last[:, None], 0)
    there = times[np.minimum(steps, last[:, None])]
    return np.where(beyond > 0, _later(there, beyond, times, groups), there)


def _later(start: Array, steps: Array, times: Array, groups: Array) -> Array:
    """Times so many steps later: by months, working days, or the usual distance between two rows."""
    within = np.diff(groups) == 0
    steps_us = np.diff(times).astype(np.int64 if times.dtype.kind == "M" else float)[within]
    usual = float(np.median(steps_us)) if len(steps_us) else (DAY if times.dtype.kind == "M" else 1.0)
    later: Array = (
        start + steps * usual if times.dtype.kind != "M" else _dates_later(start, steps, times, within, usual)
    )
    return later


def _dates_later(start: Array, steps: Array, times: Array, within: Array, usual: float) -> Array:
    months = _months(times, within)
    if months is not None:
        count, shift = months
        begun = (start + shift).astype("datetime64[M]")
        by_month: Array = (begun + steps * count).astype(MICROSECOND) + (start - begun.astype(MICROSECOND))
        return by_month
    days = start.astype("datetime64[D]")
    if usual == DAY and len(times) > 9 and bool(np.is_busday(times.astype("datetime64[D]")).all()):
        by_day: Array = np.busday_offset(days, steps, roll="forward").astype(MICROSECOND) + (start - days)
        return by_day
    later: Array = start + (steps * usual).astype("timedelta64[us]")
    return later


def _months(times: Array, within: Array) -> tuple[int, np.timedelta64] | None:
    """How many months lie between two rows, where it is always as many, of the same day, or of the last: a day before the first."""
    for shift in (np.timedelta64(0, "us"), np.timedelta64(int(DAY), "us")):
        begun = (times + shift).astype("datetime64[M]")
        counts = np.diff(begun).astype(np.int64)[within]
        offsets = (times + shift) - begun.astype(MICROSECOND)
        if len(counts) and counts.min() == counts.max() >= 1 and offsets.min() == offsets.max():
            return int(counts[0]), shift
    return None
