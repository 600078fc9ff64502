"""Windows of series: rows in the order of time, a past and the future that follows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad, check_column_of, check_fields_named, check_there, group_columns
from mai.compiler.data.files.paths import listed
from mai.compiler.data.row_source import Wanted
from mai.compiler.data.source_kinds import Finite, Source
from mai.compiler.data.sources.table import Table
from mai.compiler.data.splitting.splits import GroupSplit, TimeSplit
from mai.compiler.ir.types import Type
from mai.spec.settings import setting

NEXT = "next_"  # Before the name of a column: its future.


def column_of(field: str) -> str:
    """The column that a field of windows is of, of the past or the future."""
    return field.removeprefix(NEXT)


class Series(Table):
    """Windows of the rows of tables: a column `x` is the past, [window], `next_x` what follows it, [horizon], at every `stride` rows.

    A field of one value is that of the last row of the past. Rows are in the order of the files, or of the column `time`; each value of the
    column `group` is a series of its own. What is held out is later than all that is trained on. `missing = drop` leaves out windows with gaps.
    """

    name: ClassVar[str] = "series"
    suffixes: ClassVar[tuple[str, ...]] = ()  # A table's name does not say that its rows are in the order of time.
    refused: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("rest", "without"), "name the columns whose windows are read"),
        "needs": "a row that is left out would break a window; `missing = drop` leaves out the windows with gaps",
    }
    window: int = setting(ge=1)
    horizon: int = setting(default=1, ge=0)
    stride: int = setting(default=1, ge=1)
    time: str | None = None
    group: str | None = None

    def misfit(self) -> str | None:
        if self.split is not None and any(self.split.shares) and not isinstance(self.split, (TimeSplit, GroupSplit)):
            return f"overlaps: windows that `{self.split.name}` holds out share rows with others; write `by_time` or `by_group`"
        if isinstance(self.split, TimeSplit) and self.split.column != self.time:
            return f"needs `time = {self.split.column}` for `by_time({self.split.column})`: the column that puts its rows in order"
        if isinstance(self.split, GroupSplit) and self.split.column != self.group:
            return f"needs `group = {self.split.column}` for `by_group({self.split.column})`: windows of one group"
        return super().misfit()

    @property
    def past_and_future(self) -> tuple[int, int] | None:
        return (self.window, self.horizon) if self.horizon else None

    @classmethod
    def call_for(cls, path: str) -> str | None:
        return None

    def columns(self, base: Path) -> dict[str, Column] | None:
        return None

    def check_columns(self, base: Path, fields: Mapping[str, Type]) -> None:
        columns = self.names(base)
        if columns is None:
            return
        groups = group_columns([*columns], [*map(column_of, fields)])
        for name in fields:
            check_column_of(name, column_of(name), groups)
        for name in filter(None, (self.time, self.group)):
            check_there(name, columns)

    def check_fields(self, fields: Mapping[str, Type]) -> None:
        """A field has as many rows as the window, or the horizon, or one value."""
        columns = {*map(column_of, fields), *listed(self.group or ())}
        check_fields_named((*listed(self.words), *(name for name, _ in self.absent_values.columns)), columns)
        for name, type_ in fields.items():
            is_next = name.startswith(NEXT)
            length, what = (self.horizon, "horizon") if is_next else (self.window, "window")
            first = type_.shape[0] if type_.rank else 1
            may_be_one_row = type_.rank == 1 and not is_next  # The columns x0, x1, ... of it are a vector.
            if isinstance(first, int) and first not in (length, 1) and not may_be_one_row:
                raise bad(
                    f"`{name}` has {first} rows, the {what} of the series is {length}", help=f"`{name}: [{length}]`"
                )

    def fields_of_cells(self, fields: Mapping[str, Type]) -> dict[str, Type]:
        return {column_of(name): type_ for name, type_ in fields.items()}

    def rows(self, wanted: Wanted) -> Finite:
        from mai.compiler.data.tables.signs import common_sign
        from mai.compiler.data.windows.windows import read_windows

        tables = self.tables(wanted)
        return replace(read_windows(self, tables, wanted.fields), decimal=common_sign(tables))

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        return None  # Which windows there are, a spec has to say.
