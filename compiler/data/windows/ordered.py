"""The rows of tables in the order of time: those of each series together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mai.compiler.data.fields import bad, check_there
from mai.compiler.data.files.paths import listed
from mai.compiler.data.rows import Column, Columns, Dates, Words, choose_of, rows_of
from mai.compiler.data.sources.series import Series, column_of
from mai.compiler.data.tables.convert import KEY, read_tables
from mai.compiler.data.tables.files import TableFile
from mai.compiler.data.tables.store import TableColumns
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.spec.record import record

DAY = 24 * 3600 * 1e6
"""Of microseconds, as dates are read here: in 32 bits a day since 1970 has parts of three minutes."""
MICROSECOND = "datetime64[us]"
UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
LONG = 1.5  # A step of time that is longer than the usual one by so much is a gap.


@record
class Ordered:
    """The rows of all series, one series behind the other, each in its order: columns by field, the series of each row and its time.

    `names` are those of the series, by number, where the column that tells them apart has words; `places` the numbers, from 0, that the rows
    have in the files.
    """

    columns: Columns
    groups: Array
    names: Sequence[str | float] | None
    times: Array | None
    places: Array
    notes: tuple[str, ...]
    dates: Dates


def read_ordered(series: Series, tables: Sequence[TableFile], fields: Mapping[str, Type] | None) -> Ordered:
    """The rows of the tables in order. Raises `MaiError` for a damaged file, or two rows of a series with one time."""
    read = _columns(series, tables, fields)
    columns = read.columns
    count = len(rows_of(next(iter(columns.values()))))
    times = None if series.time is None else numbers_of(columns[KEY])
    columns = {name: column for name, column in columns.items() if name != KEY}
    groups, names = np.zeros(count, np.int64), None
    if series.group is not None:
        values, groups = np.unique(numbers_of(columns[series.group]), return_inverse=True)
        names = _names(columns[series.group], values)
    order = _order(series, times, groups)
    groups, times = groups[order], None if times is None else times[order]
    if not (np.diff(order) > 0).all():
        columns = {name: choose_of(column, order) for name, column in columns.items()}
    return Ordered(columns, groups, names, times, order, read.notes, read.dates)


def _names(column: Column, values: Array) -> list[str | float]:
    if isinstance(column, Words):
        return [column.names[int(value)] if value >= 0 else "" for value in values]
    numbers: list[str | float] = values.tolist()
    return numbers


def _columns(series: Series, tables: Sequence[TableFile], fields: Mapping[str, Type] | None) -> TableColumns:
    """The columns that fields, time and group name; a gap among them is a NaN or -1 where windows with one are left out."""
    wanted = None
    if fields is not None:
        wanted = {column_of(name): Type(type_.dtype, classes=type_.classes) for name, type_ in fields.items()}
        if series.group is not None:
            wanted.setdefault(series.group, Type(DType.INT))
    if series.time is not None:
        check_there(series.time, tables[0].columns)
    missing = "keep" if series.missing == "drop" else series.missing
    return read_tables(tables, wanted, series.time, of_time=True, missing=missing, words=listed(series.words))


def _order(series: Series, times: Array | None, groups: Array) -> Array:
    """The rows of each group together, in the order of time, or of the files. Raises `MaiError` where that is none."""
    if times is None:
        return np.argsort(groups, kind="stable")
    if times.dtype.kind == "f" and not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0]) + 1
        raise bad(
            f"row {row} has no `{series.time}`, which puts the rows in order", help="leave the row out of the file"
        )
    order = np.lexsort((times, groups))
    same = np.flatnonzero((np.diff(times[order]) == 0) & (np.diff(groups[order]) == 0))
    if len(same):
        first, second = sorted(order[same[0] :][:2] + 1)
        more = f", and {len(same) - 1:,} more rows that of the one before" if len(same) > 1 else ""
        message = f"rows {first} and {second} have the same `{series.time}`{more}"
        raise bad(message, help=_help_with_same(series, times[order[same]]))
    return order


def _help_with_same(series: Series, times: Array) -> str | None:
    """What may be behind times that two rows have."""
    moments = times.astype(MICROSECOND) if times.dtype.kind == "i" else None
    if moments is not None and _are_of_turned_clocks(moments):
        return "clocks were put back there: write times with their offset, as `2022-10-30T02:00+01:00`, or in UTC"
    if series.group is not None:
        return f"`{series.group}` does not tell all series apart: where several columns do, write them as one, as `north-7`"
    return "name the column that tells several series apart: `group = ...`; where several columns do, write them as one, as `north-7`"


def _are_of_turned_clocks(moments: Array) -> bool:
    """Whether all times are in the first hours of Sundays, when clocks are put back, and not all at midnight, as days without a time are."""
    days = moments.astype("datetime64[D]")
    are_sundays = np.is_busday(days, weekmask="Sun").all()
    return bool(are_sundays and (moments - days < np.timedelta64(4, "h")).all() and (moments > days).any())


def long_steps(series: Series, rows: Ordered, starts: Array | None = None, length: int = 0) -> list[str]:
    """What is to be said of steps of time that are longer than usual.

    Args:
        starts: the first rows of windows, in order, so many rows of `length` each, where only what these go over is to be told.
    """
    if rows.times is None or len(rows.times) < 3:
        return []
    steps, inside = np.diff(rows.times.astype(float)), np.diff(rows.groups) == 0
    usual = float(np.median(steps[inside])) if inside.any() else 0.0
    long = np.flatnonzero(inside & (steps > LONG * usual))
    if starts is not None:
        long = long[np.searchsorted(starts, long, "right") > np.searchsorted(starts, long + 2 - length)]
    if not len(long):
        return []
    longest = int(long[np.argmax(steps[long])])
    say = _duration if rows.times.dtype.kind == "i" else "{:g}".format
    of = f" of `{rows.names[rows.groups[longest]]}`" if rows.names is not None else ""
    reach = f"longer than the usual {say(usual)}, the longest{of} {say(float(steps[longest]))}"
    windows = "windows go over them" if starts is None else "forecasts are made from windows that go over them"
    return [f"{len(long):,} of {int(inside.sum()):,} steps of `{series.time}` are {reach}: {windows}"]


def _duration(microseconds: float) -> str:
    """A time in the largest unit of which it is one or more, in three digits where it is below a thousand."""
    seconds = microseconds / 1e6
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= size), UNITS[-1])
    number = seconds / size
    count = f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"
    return f"{count} {unit}" + ("" if count == "1" else "s")


def numbers_of(column: Column) -> Array:
    """All rows of a column, [n, ...]."""
    return np.asarray(rows_of(column)[:])
