"""Tables in the order of time as windows: what is past, what follows, and which of them are later than all that is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.places import Places
from mai.compiler.data.rows import (
    Column,
    Columns,
    FieldRows,
    Key,
    Limited,
    Rows,
    change_of,
    choose_of,
    limits_of,
    rows_of,
)
from mai.compiler.data.source_kinds import Finite
from mai.compiler.data.sources.series import NEXT, Series, column_of
from mai.compiler.data.splitting.splits import HELD_OUT, GroupSplit, NoneHeldOut, Parts
from mai.compiler.data.tables.files import TableFile
from mai.compiler.data.windows.ordered import long_steps, numbers_of, read_ordered
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array

TRAIN, VALIDATION, TEST = range(3)


class Windows(Limited):
    """Windows of other rows, [n, length, ...]: each begins at the row that `starts` names, whole [n].

    Facts about the numbers are facts about the rows, each of which is in many windows. Of a file a window is read at once.
    """

    def __init__(self, rows: Rows, starts: Array, length: int) -> None:
        self.rows, self.starts, self.length = rows, starts, length
        self.shape, self.dtype = (len(starts), length, *rows.shape[1:]), rows.dtype
        self.limits = limits_of(rows, _covered(len(rows), starts, length))

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, key: Key, /) -> Array:
        starts = self.starts[key]
        if isinstance(self.rows, FieldRows):
            windows = [self.rows[slice(start, start + self.length)] for start in starts.tolist()]
            return np.stack(windows) if windows else np.empty((0, *self.shape[1:]), self.dtype)
        numbers = starts[:, None] + np.arange(self.length)
        return self.rows[numbers.reshape(-1)].reshape(*numbers.shape, *self.rows.shape[1:])


def _covered(count: int, starts: Array, length: int) -> Array:
    """Which of so many rows are in a window."""
    steps = np.bincount(starts, minlength=count + 1) - np.bincount(starts + length, minlength=count + 1)
    covered: Array = np.cumsum(steps[:count]) > 0
    return covered


def read_windows(series: Series, tables: Sequence[TableFile], fields: Mapping[str, Type] | None) -> Finite:
    """All windows of the tables, by field, and which of them are trained on.

    Raises:
        MaiError: a file is damaged; two rows of a series have one time; no series is as long as a window and its horizon; each window
            lacks a value, and those are to be left out.
    """
    rows = read_ordered(series, tables, fields)
    length = series.window + series.horizon
    starts, short = starts_of(rows.groups, length, series.stride)
    if not len(starts):
        count = len(rows.groups)
        words = f"{count:,} row{'s' if count != 1 else ''}"
        raise bad(f"{tables[0].path} has {words}: no series is as long as a window and its horizon, {length}")
    whole, gaps = without_gaps(series, rows.columns, starts, length, "are left out")
    if not len(whole):
        raise bad(
            f"{tables[0].path}: all {len(starts):,} windows of {length} rows, the horizon included, lack a value",
            help="shorter windows, or `missing = keep` and `fill(x)`",
        )
    asked = fields if fields is not None else dict.fromkeys(rows.columns)
    windows = {name: window_field(name, rows.columns, series, whole, type_) for name, type_ in asked.items()}
    parts = _parts(series, whole, rows.groups, rows.times)
    notes = (*rows.notes, *long_steps(series, rows), *short_series(short, rows.groups, length, "are left out"), *gaps)
    begins = whole + (series.window if series.horizon else 0)
    places = Places(rows.places[begins], begins, series.horizon or series.window)
    dates = {name: rows.dates[column_of(name)] for name in asked if column_of(name) in rows.dates}
    return Finite(
        windows,
        notes=notes,
        has_gaps=series.missing == "keep",
        parts=parts,
        places=places,
        dates=dates,
        absent=series.absent_values,
        order=series.dates,
    )


def starts_of(groups: Array, length: int, stride: int) -> tuple[Array, int]:
    """The first row of each window, and how many series are too short for one."""
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    ends = np.append(begins[1:], len(groups))
    each = [np.arange(begin, end - length + 1, stride) for begin, end in zip(begins, ends, strict=True)]
    return np.concatenate(each), sum(len(starts) == 0 for starts in each)


def short_series(count: int, groups: Array, length: int, fate: str) -> list[str]:
    """What is said of so many series that are too short for a window, and what becomes of them."""
    if not count:
        return []
    return [f"{count:,} of {len(np.unique(groups)):,} series are shorter than {length} rows, and {fate}"]


def without_gaps(
    series: Series, columns: Columns, starts: Array, length: int, fate: str
) -> tuple[Array, Sequence[str]]:
    """The windows that may be used where what is missing leaves them out, what is said of the others, and what becomes of these."""
    if series.missing != "drop":
        return starts, ()
    lacking = np.any([*gaps_of(columns).values()], axis=0)
    before = np.concatenate([[0], np.cumsum(lacking)])
    whole = before[starts + length] == before[starts]
    gone = int((~whole).sum())
    return starts[whole], ([f"{gone:,} windows lack a value, and {fate}"] if gone else ())


def gaps_of(columns: Columns) -> dict[str, Array]:
    """Whether each row, bool [n], has no value in a column, by column."""
    lacking: dict[str, Array] = {}
    for name, column in columns.items():
        numbers = numbers_of(column)
        gaps = np.isnan(numbers) if numbers.dtype.kind == "f" else numbers < 0
        lacking[name] = np.any(gaps.reshape(len(numbers), -1), axis=1)
    return lacking


def count_windows(series: Series, tables: Sequence[TableFile], fields: Mapping[str, Type]) -> tuple[int, int]:
    """How many windows the tables have, and how many of them lack a value. Raises `MaiError` as `read_ordered` does."""
    rows = read_ordered(series, tables, fields)
    length = series.window + series.horizon
    starts, _ = starts_of(rows.groups, length, series.stride)
    whole, _ = without_gaps(series, rows.columns, starts, length, "")
    return len(starts), len(starts) - len(whole)


def window_field(name: str, columns: Columns, series: Series, starts: Array, type_: Type | None) -> Column:
    """The windows of a field: of the past, of the future, or the last row of the past alone."""
    column = columns[column_of(name)]
    size = prod(rows_of(column).shape[1:])
    is_one = type_ is not None and all(isinstance(s, int) for s in type_.shape) and prod(type_.shape) == size
    if name.startswith(NEXT):
        first, length = series.window, series.horizon
    elif is_one:
        return choose_of(column, starts + series.window - 1)
    else:
        first, length = 0, series.window
    return change_of(column, lambda rows: Windows(rows, starts + first, length))


def _parts(series: Series, starts: Array, groups: Array, times: Array | None) -> Parts:
    """Windows of rows that are all trained on; those whose future, or all rows where there is none, is held out, or for tests."""
    split = series.split
    held_out, test = (HELD_OUT, 0.0) if split is None else split.shares
    held_out, test = (0.0 if series.validation is not None else held_out), (0.0 if series.test is not None else test)
    if isinstance(split, GroupSplit):
        part = np.full(len(groups), TRAIN)
        for number, rows in enumerate(_all_parts(split.parts(len(groups), groups))):
            part[rows] = number
    else:
        part = _by_time(held_out, test, groups, times)
    numbers = _windows_of_parts(series, starts, part)
    if (
        split is None and held_out and not all(map(len, numbers[:TEST]))
    ):  # Windows with gaps are left out where rows are latest.
        numbers = _windows_of_parts(series, starts, _by_time(held_out, test, groups, times, _judged(series, starts)))
    if split is None and not (len(numbers[TRAIN]) and (len(numbers[VALIDATION]) or not held_out)):
        return _too_few(series, starts)
    if not len(numbers[TRAIN]):
        raise bad("the split leaves no window to train on", help="a smaller share, a shorter window, or more rows")
    for number, share, what in ((VALIDATION, held_out, "holds out"), (TEST, test, "tests")):
        if share and not len(numbers[number]):
            raise bad(
                f"the part that the split {what} is shorter than a horizon of {series.horizon} rows",
                help="a larger share",
            )
    return Parts(numbers[TRAIN], *(rows if len(rows) else None for rows in numbers[VALIDATION:]))


def _judged(series: Series, starts: Array) -> Array:
    """The row of each window from which on it is forecast, or its first where nothing is."""
    return starts + (series.window if series.horizon else 0)


def _windows_of_parts(series: Series, starts: Array, part: Array) -> list[Array]:
    """The numbers of the windows to train on, to hold out and for tests: those whose future lies in one part of the rows."""
    last, judged = part[starts + series.window + series.horizon - 1], part[_judged(series, starts)]
    return [np.flatnonzero((judged == number) & (last == number)) for number in (TRAIN, VALIDATION, TEST)]


def _too_few(series: Series, starts: Array) -> NoneHeldOut:
    """Why no window is held out."""
    length = series.window + series.horizon
    gaps = " without a gap" if series.missing == "drop" else ""
    one = len(starts) == 1
    cause = f"the {len(starts):,} window{'' if one else 's'} of {length} rows{gaps} {'is' if one else 'are'} too few, or share too many rows, to hold some out"
    return NoneHeldOut(
        cause=cause, help=("`missing = keep` and `fill(x)`, " if gaps else "") + "shorter windows, or more rows"
    )


def _all_parts(parts: Parts) -> list[Array]:
    return [np.zeros(0, np.int64) if rows is None else rows for rows in (parts.train, parts.held_out, parts.test)]


def _by_time(held_out: float, test: float, groups: Array, times: Array | None, rows: Array | None = None) -> Array:
    """The part of each row: the latest are for tests, those before them held out; by the share of its series where there is no time.

    Of some `rows`, whole [n], a share is held out and for tests, or else of all of them.
    """
    if times is None:
        sizes = np.bincount(groups)
        clock = (np.arange(len(groups)) - (np.cumsum(sizes) - sizes)[groups]) / sizes[groups]
    else:
        clock = times.astype(float)
    if times is None and rows is None:
        cuts = [1 - test - held_out, 1 - test]
    else:
        of = clock if rows is None else clock[rows]
        cuts = [
            float(np.quantile(of, 1 - share, method="higher")) if share else np.inf for share in (test + held_out, test)
        ]
    return (clock >= cuts[0]).astype(np.int64) + (clock >= cuts[1])
