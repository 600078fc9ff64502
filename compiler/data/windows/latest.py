"""The windows that forecasts are asked of, the last of each series or all, and the times of what follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mai.compiler.data.batches import typed_rows
from mai.compiler.data.fields import bad
from mai.compiler.data.label_names import Names, notes_of_unknown, number_labels
from mai.compiler.data.rows import Rows
from mai.compiler.data.sources.series import NEXT, Series
from mai.compiler.data.tables.files import TableFile
from mai.compiler.data.windows.ordered import column_of, read_ordered
from mai.compiler.data.windows.times import clock_of, following
from mai.compiler.data.windows.windows import short_series, starts_of, window_field, without_gaps
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
        notes: what was found in the files.
    """

    rows: Mapping[str, Rows]
    groups: Array | None
    names: Sequence[str | float]
    last: Array
    following: Array
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
    starts = starts if every else _last_of_each(starts, rows.groups)
    taken = {name: rows.columns[column_of(name)] for name in fields}
    starts, gaps = without_gaps(series, taken, starts, length, "have no forecast")
    if not len(starts):
        raise bad(f"{table.path} has no whole window of {length} rows to forecast from")
    notes = (*rows.notes, *short_series(short, rows.groups, length, "have no forecast"), *gaps)
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
        notes,
    )


def _last_of_each(starts: Array, groups: Array) -> Array:
    of = groups[starts]
    return starts[np.append(np.diff(of) != 0, True)] if len(starts) else starts
