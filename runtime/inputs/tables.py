"""Inputs from csv files, whose columns are named as those of training data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.cells import LACKING, MISSING, few_of, is_number, vector_columns
from mai.runtime.inputs.counted_dates import TrainedDates
from mai.runtime.inputs.csv_rows import first_ragged, read_rows
from mai.runtime.inputs.dates import as_days, is_date, warn_of_far
from mai.runtime.inputs.labels import as_labels, label_place, missing_value, warn_of_unknown
from mai.runtime.model.manifest import Port


def from_csv(
    port: Port, path: Path, column: str = "", names: Sequence[str] = (), dates: TrainedDates | None = None
) -> Array:  # fmt: skip
    """The values of an input in a csv file, a row an example: [rows, columns], or in the port's shape where it is known.

    Where the first line has names, the columns called `x`, or `x0`, `x1`, ..., belong to the input `x`; where none is called
    so, or there are no names, all columns do. The numbers of a row fill the port's shape in order.

    Args:
        column: the name of the columns, where it is not the port's.
        names: the names of the port's labels, which may stand for their numbers.
        dates: how the port's numbers are written as dates, where they may be.

    Raises:
        ModelError: the file is no table, or a cell is no number, no name of a label and no date.
    """
    rows = _rows(port, path)
    places = _places(path, column or port.name, rows[0])
    has_header = bool(places) or not any(
        is_number(c) or label_place(names, c, port.classes) is not None or (dates and is_date(c, dates.order))
        for c in rows[0]
    )
    body = rows[1:] if has_header else rows
    if column and not places:
        raise ModelError("input-missing", f"{path} has no column `{column}`", f"it has {few_of(rows[0])}")
    if not body:
        raise ModelError("input-shape", f"{path} has a line of names and no row for `{port.name}`")
    _check_widths(path, body, len(rows[0]))
    titles = [f"`{title}`" if has_header else str(i) for i, title in enumerate(rows[0], 1)]
    chosen = places or range(len(rows[0]))
    unknown = Counter[str]()
    cells = [
        [_value(port, names, row[i], unknown, f"{path}, column {titles[i]}, row {r}", dates) for i in chosen]
        for r, row in enumerate(body, 1)
    ]
    if dates is None:
        warn_of_unknown(port, unknown)
    else:
        warn_of_far(port, dates, unknown)
    return _reshape(port, path, np.array(cells, np.float64))


def _rows(port: Port, path: Path) -> list[list[str]]:
    rows = read_rows(path)
    if not rows:
        raise ModelError("input-shape", f"{path} is empty: `{port.name}` needs a row an example")
    return rows


def _places(path: Path, name: str, header: Sequence[str]) -> list[int]:
    """The positions of the columns called `name`, or `name0`, `name1`, ...; empty where there are none."""
    if name in header:
        return [header.index(name)]
    if f"{name}0" not in header:
        return []
    try:
        return [header.index(part) for part in vector_columns(name, header)]
    except ModelError as error:
        raise ModelError(error.slug, f"{path}: {error.message}") from error


def _check_widths(path: Path, body: Sequence[Sequence[str]], width: int) -> None:
    ragged = first_ragged(body, width)
    if ragged is not None:
        place, values = ragged
        raise ModelError("input-shape", f"{path}: row {place} has {values}, the first line has {width}")


def _value(
    port: Port, names: Sequence[str], cell: str, unknown: Counter[str], where: str, dates: TrainedDates | None
) -> float:
    """A cell as a number, as the label that it names, or as the date that it is."""
    if cell not in names and cell.lower() in (LACKING if names else MISSING):
        return _without_value(port, names, cell, where)
    if is_number(cell) and cell not in names and dates is None:
        return float(cell)
    if label_place(names, cell, port.classes) is None and not names and dates is None:
        help = "this file has no names of its labels" if port.classes else None
        raise ModelError("input-dtype", f"{where}: `{cell[:60]}` is no number", help)
    try:
        value = (
            as_labels(port, names, cell, unknown)
            if dates is None
            else as_days(port, dates, _number_or_text(cell), unknown)
        )
        return float(value)
    except ModelError as error:
        raise ModelError(error.slug, f"{where}: {error.message}", error.help) from error


def _number_or_text(cell: str) -> float | str:
    return float(cell) if is_number(cell) else cell


def _without_value(port: Port, names: Sequence[str], cell: str, where: str) -> float:
    """What stands for a cell that says that there is no value: a label of its own, or NaN. Raises `ModelError` where nothing does."""
    missing = missing_value(port, names)
    if missing is not None:
        return float(missing)
    if port.dtype == "float32" and is_number(cell):
        return math.nan
    said = f" (`{cell}`)" if cell else ""
    raise ModelError("input-dtype", f"{where} is empty{said}", f"this file has nothing for a missing `{port.name}`")


def _reshape(port: Port, path: Path, table: Array) -> Array:
    """A table [rows, columns] as [rows, *shape]; as it is where the shape has sizes that the call decides.

    A table with as many rows as a shape of several axes may be one example, so it is left for the caller to judge.
    """
    sizes = [n for n in port.shape if isinstance(n, int)]
    if len(sizes) < len(port.shape):
        return table
    if table.size == len(table) * math.prod(sizes):
        return table.reshape(len(table), *sizes)
    if len(sizes) > 1:
        return table
    width, count = math.prod(sizes), table.shape[1]
    named = f"the columns `{port.name}0` to `{port.name}{width - 1}`" if sizes else f"the column `{port.name}`"
    message = f"`{port.name}` takes {width} number{'s' if width != 1 else ''} an example, {path} has {count} columns"
    raise ModelError("input-shape", message, f"a first line that names {named} chooses among them")
