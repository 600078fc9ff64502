"""The windows that forecasts are asked of, the last of each series or all, and the times of what follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mai.compiler.data.batches import typed_rows
from mai.compiler.data.fields import bad
from mai.compiler.data.label_names import Names, number_labels
from mai.compiler.data.rows import Rows
from mai.compiler.data.sources.series import NEXT, Series
from mai.compiler.data.tables.files import TableFile
from mai.compiler.data.windows import DAY, Ordered, read_ordered, starts_of, whole_windows, window_field
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array
from mai.spec.record import record

MICROSECOND = "datetime64[us]"


@record
class Asked:
    """Windows by field, [n, ...] each; the number of each one's series; the times of its last row and of what follows.

    Attributes:
        groups: whole [n], numbers of `names`; None where there is one series.
        names: of the series.
        last, following: [n] and [n, horizon]; dates as datetime64, numbers of rows where the series has no times.
        notes: what was found in the files.
    """

    rows: Mapping[str, Rows]
    groups: Array | None
    names: Sequence[str | float]
    last: Array
    following: Array
    notes: tuple[str, ...]


def read_asked(
    series: Series, table: TableFile, fields: Mapping[str, Type], known: Names, every: bool = False
) -> Asked:  # fmt: skip
    """The last window of each series of a table, or `every` one at the spec's stride, for what a model takes, `fields`.

    A model that takes what is to come, `next_x`, is asked where the table has it: from the last rows that have a future.

    Raises:
        MaiError: the table is damaged or lacks a column, or no series is long enough.
    """
    rows = read_ordered(series, [table], fields)
    length = series.window + (series.horizon if any(name.startswith(NEXT) for name in fields) else 0)
    starts, short = starts_of(rows.groups, length, series.stride if every else 1)
    starts = starts if every else _last_of_each(starts, rows.groups)
    notes = [*rows.notes]
    if short:
        notes.append(
            f"{short:,} of {len(np.unique(rows.groups)):,} series are shorter than {length} rows, and have no forecast"
        )
    if series.missing == "drop":
        starts, gone = whole_windows({name: rows.columns[name.removeprefix(NEXT)] for name in fields}, starts, length)
        notes += [f"{gone:,} windows lack a value, and have no forecast"] if gone else []
    if not len(starts):
        raise bad(f"{table.path} has no whole window of {length} rows to forecast from")
    columns = {name: window_field(name, rows.columns, series, starts, type_) for name, type_ in fields.items()}
    has_gaps = series.missing == "keep"
    (numbered,), _ = number_labels([columns], fields, known, None, has_gaps)
    end = starts + series.window - 1
    times = _clock(rows)
    return Asked(
        typed_rows(numbered, fields, has_gaps),
        rows.groups[starts] if rows.names is not None else None,
        rows.names or (),
        times[end],
        _following(times, rows.groups, end, series.horizon),
        tuple(notes),
    )


def _last_of_each(starts: Array, groups: Array) -> Array:
    of = groups[starts]
    return starts[np.append(np.diff(of) != 0, True)] if len(starts) else starts


# ------------------------------------------------------------------ times


def _clock(rows: Ordered) -> Array:
    """The time of each row; its number within its series, from 1, where there are no times."""
    if rows.times is None:
        begins = np.flatnonzero(np.diff(rows.groups, prepend=-1))
        sizes = np.diff(np.append(begins, len(rows.groups)))
        return np.arange(len(rows.groups)) - np.repeat(begins, sizes) + 1
    return rows.times.astype(MICROSECOND) if rows.times.dtype.kind == "i" else rows.times


def _following(times: Array, groups: Array, end: Array, horizon: int) -> Array:
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
