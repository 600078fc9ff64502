"""The windows that forecasts are asked of, the last of each series or all, and the times of what follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mai.compiler.data.batches import typed_rows
from mai.compiler.data.fields import bad
from mai.compiler.data.files.arrow_types import is_text
from mai.compiler.data.label_names import Names, notes_of_unknown, number_labels
from mai.compiler.data.rows import Columns, Rows
from mai.compiler.data.sources.series import NEXT, Series, column_of
from mai.compiler.data.tables.dates import is_in_utc, moments_of
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.data.windows.ordered import Ordered, long_steps, read_ordered
from mai.compiler.data.windows.times import clock_of, following
from mai.compiler.data.windows.windows import gaps_of, short_series, starts_of, window_field, without_gaps
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array
from mai.spec.record import record


@record
class Asked:
    """Windows by field, [n, ...] each; the number of each one's series; the times of its last row and of what follows.

    Attributes:
        groups: whole [n], numbers of `names`; None where there is one series.
        names: of the series.
        last, following: [n] and [n, horizon]; dates as datetime64, numbers of rows where the series has no times.
        in_utc: whether the dates have offsets in the table, and are in UTC here.
        notes: what was found in the files.
    """

    rows: Mapping[str, Rows]
    groups: Array | None
    names: Sequence[str | float]
    last: Array
    following: Array
    in_utc: bool
    notes: tuple[str, ...]


def read_asked(
    series: Series, table: TableFile, fields: Mapping[str, Type], trained: Names, every: bool = False
) -> Asked:  # fmt: skip
    """The last window of each series of a table, or `every` one at the spec's stride, for what a model takes, `fields`.

    A model that takes what is to come, `next_x`, is asked where the table has it: from the last rows that have a future.

    Raises:
        MaiError: the table is damaged or lacks a column, or no series is long enough.
    """
    rows = read_ordered(series, [table], fields)
    length = series.window + (series.horizon if any(name.startswith(NEXT) for name in fields) else 0)
    starts, short = starts_of(rows.groups, length, series.stride if every else 1)
    if not len(starts):
        raise bad(
            f"{table.path} has {len(rows.groups):,} rows: no series has the {length} of a window to forecast from"
        )
    starts = starts if every else _last_of_each(starts, rows.groups)
    taken = {column_of(name): rows.columns[column_of(name)] for name in fields}
    asked = starts
    starts, gaps = without_gaps(series, taken, asked, length, "have no forecast")
    if len(starts) < len(asked) and not every:
        gaps = [_gap_in_last(series, rows, taken, np.setdiff1d(asked, starts), length, len(asked))]
    if not len(starts):
        raise bad(f"{table.path}: {gaps[0]}", help=_instead(series, rows, taken, length, every))
    kept = _kept_gaps(series, rows, taken, starts, length, every)
    late = long_steps(series, rows, starts, length)
    notes = (*rows.notes, *late, *kept, *short_series(short, rows.groups, length, "have no forecast"), *gaps)
    columns = {name: window_field(name, rows.columns, series, starts, type_) for name, type_ in fields.items()}
    has_gaps = series.missing == "keep"
    (numbered,), _ = number_labels([columns], fields, trained, None, has_gaps)
    notes += notes_of_unknown([columns], trained)
    end = starts + series.window - 1
    times = clock_of(rows)
    return Asked(
        typed_rows(numbered, fields, has_gaps),
        rows.groups[starts] if rows.names is not None else None,
        rows.names or (),
        times[end],
        following(times, rows.groups, end, series.horizon),
        series.time is not None and _has_offsets(table, series.time),
        notes,
    )


def _has_offsets(table: TableFile, time: str) -> bool:
    """Whether the first times of a table have an offset from UTC: all others have one then, too."""
    for block in read_blocks(table, [table.columns[time]]):
        array = block[table.columns[time]]
        times = moments_of(array, table.dialect.order) if is_text(array.type) else array
        if times is None or times.null_count < len(times):
            return times is not None and is_in_utc(times.type)
    return False


def _gap_in_last(series: Series, rows: Ordered, taken: Columns, lost: Array, length: int, count: int) -> str:
    """Which value is missing in the last window of a series, the first such one, so that there is no forecast of so many of `count`."""
    where = _first_gap(rows, taken, int(lost[0]), length)
    if count == 1:
        return f"{where}, from which the forecast is made"
    return f"{len(lost):,} of {count:,} series have no forecast: {where}"


def _first_gap(rows: Ordered, taken: Columns, begin: int, length: int) -> str:
    """The first row of the last window of a series that lacks a value, and how many more do."""
    window = slice(begin, begin + length)
    gaps = {name: np.flatnonzero(each[window]) for name, each in gaps_of(taken).items()}
    column, first = min(((name, int(each[0])) for name, each in gaps.items() if len(each)), key=lambda each: each[1])
    more = sum(map(len, gaps.values())) - 1
    others = f", and {more:,} more {'are' if more > 1 else 'is'} missing" if more else ""
    of = f" of `{rows.names[rows.groups[begin]]}`" if rows.names is not None else ""
    return f"row {rows.places[window][first] + 1:,} lacks `{column}`{others} in the last {length} rows{of}"


def _kept_gaps(series: Series, rows: Ordered, taken: Columns, starts: Array, length: int, every: bool) -> list[str]:
    """What is said of windows that lack a value and are forecast from all the same."""
    if series.missing != "keep":
        return []
    lacking = np.concatenate([[0], np.cumsum(np.any([*gaps_of(taken).values()], axis=0))])
    gone = starts[lacking[starts + length] > lacking[starts]]
    if not len(gone):
        return []
    if every:
        return [
            f"{len(gone):,} of {len(starts):,} windows lack a value, and are forecast from what the spec puts there"
        ]
    many = (
        f"{len(gone):,} of {len(starts):,} series lack values that they are forecast from: " if len(starts) > 1 else ""
    )
    return [
        f"{many}{_first_gap(rows, taken, int(gone[0]), length)}; the forecast is made from what the spec puts there"
    ]


def _instead(series: Series, rows: Ordered, taken: Columns, length: int, every: bool) -> str:
    """What can be done where each window that was asked for lacks a value."""
    if not every:
        others, _ = starts_of(rows.groups, length, series.stride)
        whole, _ = without_gaps(series, taken, others, length, "")
        if len(whole):
            return f"`--all` forecasts from the {len(whole):,} windows that lack nothing; or fill in the value"
    return "fill in the values, or train with `missing = keep` and `fill(x)`"


def _last_of_each(starts: Array, groups: Array) -> Array:
    of = groups[starts]
    return starts[np.append(np.diff(of) != 0, True)] if len(starts) else starts
