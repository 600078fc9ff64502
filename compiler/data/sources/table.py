"""Rows of tables: csv, parquet, feather and jsonl files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import bad, check_fields_named, check_label_count, check_there, group_columns
from mai.compiler.data.files.paths import find_files, listed
from mai.compiler.data.places import Places
from mai.compiler.data.row_source import RowSource, Wanted
from mai.compiler.data.source_kinds import Finite, Reading, Request, Source
from mai.compiler.data.tables.dialect import Absent, Stated
from mai.compiler.data.tables.kinds import SUFFIXES, is_table, kind_of
from mai.compiler.data.tables.rest import rest_of
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError, Word
from mai.spec.settings import Choice, Settings

if TYPE_CHECKING:
    from mai.compiler.data.tables.files import TableFile

# What settings are of, in words, and as `kind_of` says it.
OF_KINDS = {
    "sheet": ("spreadsheets", {"sheet"}),
    "separator": ("csv files and the like", {"csv"}),
    "encoding": ("tables in text", {"csv", "jsonl"}),
}
SMALL = 1 << 22  # Bytes of a file that `mai check` reads, where its first cells are no plain values.


class Code(Settings):
    """Numbers or words of one column that say that there is no value: `code(pain, -9)`, `code(pain, [98, 99])`."""

    name: ClassVar[str] = "code"
    column: str
    values: str | int | float | tuple[str | int | float, ...]


CODES: dict[str, type[Code]] = {Code.name: Code}


class Table(RowSource):
    """Columns by field name, `y`, or `x0`, `x1`, ... for a vector `x`, of csv, tsv, parquet, feather or jsonl files, packed or not, or of a `sheet` of spreadsheets.

    What separates values, the letters' encoding and the decimal sign are found, and told, where they are not said. Rows that lack a value
    are refused, left out (`missing = drop`) or kept: a number is NaN then, a label the one after those with names; rows that lack one of the
    fields `needs` are left out then, too; what is `absent` says, besides an empty cell, that there is no value, `code(pain, -9)` of one column. Fields in `words` are of names, also where these look like numbers. Dates are days
    since 1970; `dates` says whether day or month is first in `03/04/2024`.
    The field `rest` is a vector of all columns that no other field takes, but for those in `without`.
    """

    name: ClassVar[str] = "table"
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    names_fields: ClassVar[bool] = True
    separator: Literal[",", ";", "|", "tab"] | None = None
    encoding: str | None = None
    decimal: Literal[".", ","] | None = None
    sheet: str | None = None
    missing: Literal["refuse", "keep", "drop"] = "refuse"
    dates: Literal["day_first", "month_first"] | None = None
    absent: Annotated[
        str | int | float | Code | tuple[str | int | float | Code, ...], Choice(CODES, or_text=True, many=True)
    ] = ()
    needs: str | tuple[str, ...] = ()
    words: str | tuple[str, ...] = ()
    rest: str | None = None
    without: str | tuple[str, ...] = ()

    def misfit(self) -> str | None:
        if self.rest is None and self.without:
            return "has `without` for what `rest` does not take: there is no `rest`"
        return super().misfit()

    @classmethod
    def reads(cls, path: Path) -> bool:
        return is_table(path) and not path.is_dir()

    @classmethod
    def call_for(cls, path: str) -> str | None:
        return f'{cls.name}("{path}")' if is_table(Path(path)) else None

    def taking(self, path: Path) -> Source:
        """How a text is written is found anew, where it cannot be as is said."""
        from mai.compiler.data.files.sheets import has_sheet
        from mai.compiler.data.tables.dialect import is_alike

        other = self.but(path=str(path.absolute()))
        other = other if has_sheet(path, self.sheet) else other.but(sheet=None)
        return other if is_alike(path, self.stated) else other.but(separator=None, encoding=None, decimal=None)

    def check_fields(self, fields: Mapping[str, Type]) -> None:
        check_fields_named((*listed(self.needs), *listed(self.words)), fields)
        check_fields_named([name for name, _ in self.absent_values.columns], fields)
        if self.rest is not None:
            type_ = fields.get(self.rest)
            if type_ is None:
                raise bad(f"`rest` is a field, and there is no `{self.rest}`", word=Word(self.rest, None))
            if type_.dtype is not DType.REAL or type_.rank != 1:
                raise bad(f"`rest` is a vector of real numbers: `{self.rest}: [N]`", word=Word(self.rest, None))

    def check_files(self, base: Path) -> None:
        super().check_files(base)
        self._check_kinds(base)

    def read(self, request: Request) -> Reading:
        if not request.files:
            self._check_kinds(request.base)
        return super().read(request)

    def _check_kinds(self, base: Path) -> None:
        """Raise `MaiError` for a setting that says nothing of any file."""
        stated = [setting for setting in OF_KINDS if getattr(self, setting) is not None]
        paths = [listed(each) for each in (self.path, self.validation, self.test) if stated and each is not None]
        files = [file for each in paths for file in self.find(base, each)]
        for setting in stated:
            which, kinds = OF_KINDS[setting]
            if not kinds & set(map(kind_of, files)):
                raise bad(f"`{setting}` is of {which}, and {files[0]} is none")

    def check_columns(self, base: Path, fields: Mapping[str, Type]) -> None:
        super().check_columns(base, fields)
        names = self.names(base)
        for name in listed(self.without) if names is not None else ():
            check_there(name, names or (), "`without` names")
        self._check_words(base, fields)

    def _check_words(self, base: Path, fields: Mapping[str, Type]) -> None:
        """Raise `MaiError` for a field with fewer labels than there are in the first rows of the first file."""
        from mai.compiler.data.tables.glance import cells_of

        labels = {
            name: type_.classes for name, type_ in fields.items() if not type_.rank and isinstance(type_.classes, int)
        }
        first = self._first(base) if labels else None
        cells = cells_of(first, self.stated, [*labels], self.leaves_rows_out) if first is not None else {}
        for name, there in cells.items():
            check_label_count(name, fields[name], there, name in listed(self.words), self.missing == "keep")

    def check_cells(self, base: Path, fields: Mapping[str, Type]) -> None:
        """Where first cells are no plain values, what reading says of their columns; not of large files."""
        from mai.compiler.data.tables.glance import has_odd_cells

        files, names = self._files(base), self.names(base)
        if names is None or sum(file.stat().st_size for file in files) > SMALL or find_spec("pyarrow") is None:
            return
        vectors = self._vectors([*names], fields)
        columns = group_columns([*names], fields) | vectors
        fields = {name: type_ for name, type_ in self.fields_of_cells(fields).items() if name in columns}
        are_real = {column: type_.dtype is DType.REAL for name, type_ in fields.items() for column in columns[name]}
        if has_odd_cells(files[0], self.stated, are_real, gaps=self.missing != "refuse"):
            from mai.compiler.data.tables.convert import read_tables

            needs, words = ([name for name in listed(own) if name in fields] for own in (self.needs, self.words))
            tables = self.tables(Wanted(files, files, fields))
            read_tables(tables, fields, missing=self.missing, needs=needs, words=words, vectors=vectors)

    def fields_of_cells(self, fields: Mapping[str, Type]) -> dict[str, Type]:
        """The fields that are numbers and labels in cells, by the name of their column, or of the vector that their columns make."""
        return dict(fields)

    @property
    def leaves_rows_out(self) -> bool:
        """Whether rows that lack a value are left out, so that those that stay have other numbers."""
        return self.missing == "drop" or bool(self.needs)

    def gather(self, columns: Mapping[str, Column], fields: Mapping[str, Type]) -> Mapping[str, Column]:
        names = [name for name in columns if not self._is_group(name, columns)]
        group_columns(names, fields)  # A vector that is asked for has all its parts.
        return dict(columns) | {name: Column((len(own),)) for name, own in self._vectors(names, fields).items()}

    @staticmethod
    def _is_group(name: str, columns: Mapping[str, Column]) -> bool:
        """Whether a column is a vector of others: of `x` and its parts, `x`, and not `x1`, beside which there may be an `x10`."""
        return not columns[name].is_part and f"{name}0" in columns and columns[f"{name}0"].is_part

    def _vectors(self, columns: Sequence[str], fields: Mapping[str, Type]) -> dict[str, tuple[str, ...]]:
        """The columns of the field `rest`. Raises `MaiError` where there are none."""
        if self.rest is None:
            return {}
        key = () if self.split is None or self.split.key is None else (self.split.key,)
        return {self.rest: rest_of(self.rest, columns, fields, {*listed(self.without), *key})}

    def names(self, base: Path) -> Collection[str] | None:
        return self.shapes(base)

    def shapes(self, base: Path) -> dict[str, tuple[int, ...]] | None:
        """The shape of a row's value in each column, of the first file; None where only reading tells. Raises `MaiError`."""
        from mai.compiler.data.tables.glance import columns_of

        first = self._first(base)
        return None if first is None else columns_of(first, self.stated)

    def _first(self, base: Path) -> Path | None:
        """The first file; None where it is not there."""
        return next(iter(self._files(base)), None)

    def _files(self, base: Path) -> list[Path]:
        """The files; none where one is not there."""
        try:
            return find_files(base, listed(self.path), self.reads)
        except MaiError:
            return []

    def columns(self, base: Path) -> dict[str, Column] | None:
        shapes = self.shapes(base)
        if shapes is None:
            return None
        groups = group_columns([*shapes])
        whole = {name: Column(shapes[name] if own == [name] else (len(own),)) for name, own in groups.items()}
        return whole | {name: Column(shapes[name], is_part=True) for name in shapes if name not in whole}

    def rows(self, wanted: Wanted) -> Finite:
        import numpy as np

        from mai.compiler.data.rows import rows_of
        from mai.compiler.data.tables.convert import KEY, ROW, read_tables
        from mai.compiler.data.tables.signs import common_sign

        tables = self.tables(wanted)
        split = wanted.split
        key, of_time = (split.key, split.of_time) if split is not None else (None, False)
        vectors = {} if wanted.fields is None else wanted.vectors or self._vectors([*tables[0].columns], wanted.fields)
        loses = self.leaves_rows_out
        read = read_tables(
            tables, wanted.fields, key, of_time, self.missing, listed(self.needs), listed(self.words), loses, vectors
        )
        columns = read.columns
        count = next(iter(columns.values())).shape[0]
        rows = np.asarray(rows_of(columns[ROW])[:]) if loses else np.arange(count)
        return Finite(
            {n: c for n, c in columns.items() if n not in (KEY, ROW)},
            key=columns.get(KEY),
            notes=read.notes,
            has_gaps=self.missing == "keep",
            decimal=common_sign(tables),
            vectors=vectors,
            dates=read.dates,
            percents=read.percents,
            absent=self.absent_values,
            order=self.dates,
            places=Places(rows),
        )

    def tables(self, wanted: Wanted) -> list[TableFile]:
        """The files, open. Raises `MaiError`."""
        from mai.compiler.data.tables.files import open_tables

        return open_tables(wanted.files, replace(self.stated, likely=wanted.decimal))

    @property
    def stated(self) -> Stated:
        """What is said of how a text is written."""
        separator = "\t" if self.separator == "tab" else self.separator
        return Stated(
            self.encoding, separator, self.decimal, sheet=self.sheet, absent=self.absent_values, order=self.dates
        )

    @property
    def absent_values(self) -> Absent:
        """What says that there is no value, as it is written."""
        every, codes = list[str | int | float](), list[tuple[str, tuple[str, ...]]]()
        for each in self.absent if isinstance(self.absent, tuple) else (self.absent,):
            if isinstance(each, Code):
                codes.append((each.column, _written(each.values if isinstance(each.values, tuple) else (each.values,))))
            else:
                every.append(each)
        return Absent(_written(every), tuple(codes))


def _written(values: Sequence[str | int | float]) -> tuple[str, ...]:
    """Words and numbers as texts."""
    return tuple(each if isinstance(each, str) else f"{each:.15g}" for each in values)
