"""Tables in the order of time as windows: what is past, what follows, and which of them are later than all that is trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import listed
from mai.compiler.data.rows import Column, Columns, FieldRows, Key, Limited, Rows, Words, choose, limits_of
from mai.compiler.data.source_kinds import Finite
from mai.compiler.data.sources.series import NEXT, Series
from mai.compiler.data.splitting.splits import HELD_OUT, GroupSplit, Parts
from mai.compiler.data.tables.convert import KEY, read_tables
from mai.compiler.data.tables.files import TableFile
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.spec.record import record

DAY = (
    24 * 3600 * 1e6
)  # Of microseconds, as dates are read here: in 32 bits a day since 1970 has parts of three minutes.
LONG = 1.5  # A step of time that is longer than the usual one by so much is a gap.
TRAIN, HELD, TEST = range(3)


class Windows(Limited):
    """Windows of other rows, [n, length, ...]: each begins at the row that `starts` names, whole [n].

    What is known of the numbers is known of the rows, each of which is in many windows. Of a file a window is read at once.
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
        MaiError: a file is damaged; two rows of a series have one time; no series is as long as a window and its horizon.
    """
    rows = read_ordered(series, tables, fields)
    length, more = series.window + series.horizon, list(rows.notes)
    starts, short = starts_of(rows.groups, length, series.stride)
    if short:
        more.append(
            f"{short:,} of {len(np.unique(rows.groups)):,} series are shorter than {length} rows, and are left out"
        )
    if series.missing == "drop":
        starts, gone = whole_windows(rows.columns, starts, length)
        more += [f"{gone:,} windows lack a value, and are left out"] if gone else []
    if not len(starts):
        count = len(rows.groups)
        words = f"{count:,} row{'s' if count != 1 else ''}"
        raise bad(f"{tables[0].path} has {words}: no series is as long as a window and its horizon, {length}")
    asked = fields if fields is not None else dict.fromkeys(rows.columns)
    windows = {name: window_field(name, rows.columns, series, starts, type_) for name, type_ in asked.items()}
    parts = _parts(series, starts, rows.groups, rows.times)
    return Finite(windows, notes=tuple(more), has_gaps=series.missing == "keep", parts=parts)


@record
class Ordered:
    """The rows of all series, one series behind the other, each in its order: columns by field, the series of each row and its time.

    `names` are those of the series, by number, where the column that tells them apart has words.
    """

    columns: Columns
    groups: Array
    names: Sequence[str | float] | None
    times: Array | None
    notes: tuple[str, ...]


def read_ordered(series: Series, tables: Sequence[TableFile], fields: Mapping[str, Type] | None) -> Ordered:
    """The rows of the tables in order. Raises `MaiError` for a damaged file, or two rows of a series with one time."""
    columns, notes = _columns(series, tables, fields)
    count = len(_rows(next(iter(columns.values()))))
    times = None if series.time is None else _numbers(columns[KEY])
    columns = {name: column for name, column in columns.items() if name != KEY}
    groups, names = np.zeros(count, np.int64), None
    if series.group is not None:
        values, groups = np.unique(_numbers(columns[series.group]), return_inverse=True)
        names = _names(columns[series.group], values)
    order = _order(series, times, groups)
    groups, times = groups[order], None if times is None else times[order]
    more = _gaps(series, times, groups)
    if not (np.diff(order) > 0).all():
        columns = {name: _change(column, lambda rows: choose(rows, order)) for name, column in columns.items()}
    return Ordered(columns, groups, names, times, (*notes, *more))


def _names(column: Column, values: Array) -> list[str | float]:
    words = [*column.names] if isinstance(column, Words) else None
    return values.tolist() if words is None else [words[int(value)] if value >= 0 else "" for value in values]


# ------------------------------------------------------------------------- rows in order


def _base(name: str) -> str:
    return name.removeprefix(NEXT)


def _columns(
    series: Series, tables: Sequence[TableFile], fields: Mapping[str, Type] | None
) -> tuple[Columns, tuple[str, ...]]:
    """The columns that fields, time and group name; a gap among them is a NaN or -1 where windows with one are left out."""
    wanted = None
    if fields is not None:
        wanted = {_base(name): Type(type_.dtype, classes=type_.classes) for name, type_ in fields.items()}
        if series.group is not None:
            wanted.setdefault(series.group, Type(DType.INT))
    if series.time is not None and series.time not in tables[0].columns:
        raise bad(f"the data has no `{series.time}`; it has {', '.join(tables[0].columns)}")
    missing = "keep" if series.missing == "drop" else series.missing
    columns, notes = read_tables(tables, wanted, series.time, of_time=True, missing=missing, words=listed(series.words))
    return columns, tuple(notes)


def _rows(column: Column) -> Rows:
    return column.numbers if isinstance(column, Words) else column


def _change(column: Column, function: Callable[[Rows], Rows]) -> Column:
    return Words(function(column.numbers), column.names) if isinstance(column, Words) else function(column)


def _numbers(column: Column) -> Array:
    return np.asarray(_rows(column)[:])


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
    same = (np.diff(times[order]) == 0) & (np.diff(groups[order]) == 0)
    if same.any():
        first, second = sorted(order[np.flatnonzero(same)[0] :][:2] + 1)
        help = "name the column that tells several series apart: `group = ...`" if series.group is None else None
        raise bad(f"rows {first} and {second} have the same `{series.time}`: {int(same.sum()):,} such rows", help=help)
    return order


def _gaps(series: Series, times: Array | None, groups: Array) -> list[str]:
    """What is to be said of steps of time that are longer than usual."""
    if times is None or len(times) < 3:
        return []
    unit = DAY if times.dtype.kind == "i" else 1.0
    steps = np.diff(times.astype(float))[np.diff(groups) == 0] / unit
    usual = float(np.median(steps)) if len(steps) else 0.0
    long = int((steps > LONG * usual).sum())
    return (
        [
            f"{long:,} of {len(steps):,} steps of `{series.time}` are longer than the usual {usual:g}: windows go over them"
        ]
        if long
        else []
    )


# ------------------------------------------------------------------------- windows


def starts_of(groups: Array, length: int, stride: int) -> tuple[Array, int]:
    """The first row of each window, and how many series are too short for one."""
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    ends = np.append(begins[1:], len(groups))
    each = [np.arange(begin, end - length + 1, stride) for begin, end in zip(begins, ends, strict=True)]
    return np.concatenate(each), sum(len(starts) == 0 for starts in each)


def whole_windows(columns: Columns, starts: Array, length: int) -> tuple[Array, int]:
    """The windows without a gap, and how many have one."""
    lacking = np.zeros(len(_rows(next(iter(columns.values())))), bool)
    for column in columns.values():
        numbers = _numbers(column)
        gaps = np.isnan(numbers) if numbers.dtype.kind == "f" else numbers < 0
        lacking |= gaps.reshape(len(numbers), -1).any(1)
    before = np.concatenate([[0], np.cumsum(lacking)])
    whole = before[starts + length] == before[starts]
    return starts[whole], int((~whole).sum())


def window_field(name: str, columns: Columns, series: Series, starts: Array, type_: Type | None) -> Column:
    """The windows of a field: of the past, of the future, or the last row of the past alone."""
    column = columns[_base(name)]
    size = prod(_rows(column).shape[1:])
    is_one = type_ is not None and all(isinstance(s, int) for s in type_.shape) and prod(type_.shape) == size
    if name.startswith(NEXT):
        first, length = series.window, series.horizon
    elif is_one:
        return _change(column, lambda rows: choose(rows, starts + series.window - 1))
    else:
        first, length = 0, series.window
    return _change(column, lambda rows: Windows(rows, starts + first, length))


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
    last = part[starts + series.window + series.horizon - 1]
    judged = part[starts + (series.window if series.horizon else 0)]
    numbers = [np.flatnonzero((judged == number) & (last == number)) for number in (TRAIN, HELD, TEST)]
    if split is None and not (len(numbers[TRAIN]) and (len(numbers[HELD]) or not held_out)):
        return Parts()  # Too few rows for a part of them.
    if not len(numbers[TRAIN]):
        raise bad("the split leaves no window to train on", help="a smaller share, a shorter window, or more rows")
    for number, share, what in ((HELD, held_out, "holds out"), (TEST, test, "tests")):
        if share and not len(numbers[number]):
            raise bad(
                f"the part that the split {what} is shorter than a horizon of {series.horizon} rows",
                help="a larger share",
            )
    return Parts(numbers[TRAIN], *(rows if len(rows) else None for rows in numbers[HELD:]))


def _all_parts(parts: Parts) -> list[Array]:
    return [np.zeros(0, np.int64) if rows is None else rows for rows in (parts.train, parts.held_out, parts.test)]


def _by_time(held_out: float, test: float, groups: Array, times: Array | None) -> Array:
    """The part of each row: the latest are for tests, those before them held out; by the share of its series where there is no time."""
    if times is None:
        sizes = np.bincount(groups)
        clock = (np.arange(len(groups)) - (np.cumsum(sizes) - sizes)[groups]) / sizes[groups]
        cuts = [1 - test - held_out, 1 - test]
    else:
        clock = times.astype(float)
        cuts = [
            float(np.quantile(clock, 1 - share, method="higher")) if share else np.inf
            for share in (test + held_out, test)
        ]
    return (clock >= cuts[0]).astype(np.int64) + (clock >= cuts[1])
