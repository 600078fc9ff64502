"""Columns of a csv file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.fields import EXACT, bad, group_columns
from mai.compiler.data.source_kinds import FileSource, Finite, Reading, Request, is_file
from mai.runtime.errors import ModelError
from mai.runtime.inputs.cells import is_number
from mai.runtime.inputs.csv_rows import first_ragged, read_first_row, read_rows

if TYPE_CHECKING:
    from mai.compiler.data.source_kinds import Arrays
    from mai.runtime.arrays import Array


class Csv(FileSource):
    """Columns by field name: `y`, or `x0`, `x1`, ... for a vector `x`."""

    name: ClassVar[str] = "csv"
    suffix: ClassVar[str] = ".csv"
    names_fields: ClassVar[bool] = True
    path: str

    def columns(self, base: Path) -> dict[str, Column] | None:
        path = base / self.path
        row = _first_row(path) if is_file(path) else None
        if row is None:
            return None
        groups = group_columns(_header(path, row))
        return {name: Column(() if names == [name] else (len(names),)) for name, names in groups.items()}

    def read(self, request: Request) -> Reading:
        """Columns `x0`, `x1`, ... make the vector `x`; any other column is a field of its own."""
        path = request.file(self.path)
        rows = _rows(path)
        if len(rows) < 2:
            raise bad(f"{path} needs a line of column names and at least one row")
        header, body = _header(path, rows[0]), rows[1:]
        _check_widths(path, body, len(header))
        columns = {name: _column(path, name, [row[i] for row in body]) for i, name in enumerate(header)}
        return Finite(_vectors(path, columns))


def _rows(path: Path) -> list[list[str]]:
    try:
        return read_rows(path)
    except ModelError as error:
        raise bad(error.message, help=error.help) from error
    except OSError as error:
        raise bad(f"{path} is not a CSV file: {error}") from error


def _first_row(path: Path) -> list[str] | None:
    try:
        return read_first_row(path)
    except ModelError as error:
        raise bad(error.message, help=error.help) from error


def _header(path: Path, names: list[str]) -> list[str]:
    """The names of the columns. Raises `MaiError` where they are none."""
    if "" in names:
        message = f"column {names.index('') + 1} of {path} has no name"
        raise bad(message, help="the first line names every column; does it end with a comma?")
    if all(is_number(name) for name in names):
        message = f"the first line of {path} holds numbers: {', '.join(names)[:60]}"
        raise bad(message, help="the first line names the columns, as in `x0,x1,y`")
    if len(set(names)) < len(names):
        raise bad(f"{path} has two columns of one name: {', '.join(names)}")
    return names


def _check_widths(path: Path, body: Sequence[Sequence[str]], width: int) -> None:
    ragged = first_ragged(body, width)
    if ragged is not None:
        place, values = ragged
        raise bad(f"{path}: row {place} has {values}, the header has {width}: {','.join(body[place - 1])[:60]}")


def _column(path: Path, name: str, cells: list[str]) -> Array:
    """Numbers; or words, the names of labels, where none of the cells is a number."""
    import numpy as np

    are_numbers = [is_number(cell) for cell in cells]
    if "" in cells:
        raise bad(f"{path}: column `{name}` is empty in row {cells.index('') + 1}")
    if not any(are_numbers):
        return np.array(cells)
    if not all(are_numbers):
        word, number = are_numbers.index(False), are_numbers.index(True)
        places = f"`{cells[word][:60]}` in row {word + 1}, `{cells[number][:60]}` in row {number + 1}"
        raise bad(f"{path}: column `{name}` mixes words and numbers: {places}")
    numbers = np.array([float(cell) for cell in cells])
    whole = bool((np.abs(numbers) < EXACT).all()) and np.array_equal(numbers, np.floor(numbers))
    return numbers.astype(np.int64) if whole and all("." not in c for c in cells) else numbers


def _vectors(path: Path, columns: Arrays) -> Arrays:
    import numpy as np

    return {
        name: columns[name] if names == [name] else np.stack([_real(path, n, columns[n]) for n in names], 1)
        for name, names in group_columns(list(columns)).items()
    }


def _real(path: Path, name: str, column: Array) -> Array:
    """A part of a vector, which holds no words."""
    if column.dtype.kind == "U":
        raise bad(f"{path}: column `{name}`, a part of a vector, holds words: `{column[0][:60]}`")
    return column.astype(float)
