"""What the first lines of a table say, or the end of a file that has its columns there: for `mai check`, which reads no rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from mai.compiler.data.files.sheets import open_sheet
from mai.compiler.data.tables.dialect import Stated, dialect_of, lines_of_head
from mai.compiler.data.tables.header import name_columns
from mai.compiler.data.tables.kinds import head_of, kind_of
from mai.compiler.data.tables.numerals import ways_to_write
from mai.runtime.files import UNREADABLE
from mai.runtime.inputs.cells import MISSING, is_number

ROWS = 4096  # Of one of Arrow's own files.
SHOWN = 60  # Letters of a wrong row that a message repeats.


def columns_of(path: Path, stated: Stated) -> dict[str, tuple[int, ...]] | None:
    """The shape of a row's value in each column, by what a spec calls it; None where only reading tells.

    Raises:
        MaiError: what can be looked at is wrong already.
    """
    kind = kind_of(path)
    if kind == "csv":
        _, names = dialect_of(path, stated)
        return None if not names else dict.fromkeys(name_columns(path, names), ())
    if kind == "jsonl":
        return _of_json(path)
    if kind == "sheet":
        return dict.fromkeys(open_sheet(path, stated).columns, ())
    from mai.compiler.data.tables.files import shapes_of

    shapes = shapes_of(path)
    return None if shapes is None else {n: shapes[own] for n, own in name_columns(path, [*shapes]).items()}


def cells_of(path: Path, stated: Stated, columns: Sequence[str], whole: bool) -> dict[str, set[str]]:
    """What stands in some columns, as text, as far as the first rows of a file say it; those of lists are left out.

    Where rows that lack a value may be left out, those of `whole` rows alone.
    """
    cells_by_column: dict[str, set[str]] = {}
    for row in _first_rows(path, stated, [] if whole else columns):
        cells = {name: cell for name, value in row.items() if (cell := _as_cell(value)) is not None}
        if whole and any(cell.lower() in MISSING for cell in cells.values()):
            continue
        for name in columns:
            if name in cells:
                cells_by_column.setdefault(name, set()).add(cells[name])
    return cells_by_column


def has_odd_cells(path: Path, stated: Stated, are_real: Mapping[str, bool], gaps: bool) -> bool:
    """Whether the first rows of a file have, in one of these columns, a cell without a value, unless there may be `gaps`, or, where it is real, one that is no number as it is written."""

    def is_odd(name: str, cell: str | None) -> bool:
        if cell is None or cell.lower() in MISSING:
            return cell is not None and not gaps
        return are_real[name] and not is_number(cell)

    rows = _first_rows(path, stated, [*are_real])
    return any(is_odd(name, _as_cell(value)) for row in rows for name, value in row.items() if name in are_real)


def _first_rows(path: Path, stated: Stated, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """The first rows of a file, by what a spec calls their columns: these, or all of them where none is named."""
    absent = dict[str, set[str]]()
    for row in _rows(path, stated, columns):
        for name in row.keys() - absent.keys():
            absent[name] = {way for each in stated.absent.of(name) for way in ways_to_write(each)}
        yield {name: None if absent[name] and _as_cell(value) in absent[name] else value for name, value in row.items()}


def _rows(path: Path, stated: Stated, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    match kind_of(path):
        case "csv":
            yield from _rows_of_csv(path, stated)
        case "jsonl":
            rows = [*_rows_of_json(path)]
            written = [*dict.fromkeys(name for row in rows for name in row)]
            names = name_columns(path, written) if written else {}
            yield from ({name: row.get(own) for name, own in names.items()} for row in rows)
        case _:
            from mai.compiler.data.tables.files import open_table, read_blocks

            table = open_table(path, stated)
            own = {name: table.columns[name] for name in columns or table.columns if name in table.columns}
            block = next(read_blocks(table, [*own.values()]), {}) if own else {}
            values = [block[written].slice(0, ROWS).to_pylist() for written in own.values()] if block else []
            yield from (dict(zip(own, row, strict=True)) for row in zip(*values, strict=True))


def _rows_of_csv(path: Path, stated: Stated) -> Iterator[dict[str, object]]:
    dialect, names = dialect_of(path, stated)
    if not names:
        return
    places = {name: names.index(written) for name, written in name_columns(path, names).items()}
    rows = csv.reader(lines_of_head(path, dialect)[dialect.above :], delimiter=dialect.separator)
    for row in islice(rows, 1 + dialect.below, None):
        if len(row) == len(names):  # A value of several lines has other widths.
            yield {name: row[place].strip() for name, place in places.items()}


def _rows_of_json(path: Path) -> Iterator[dict[str, object]]:
    """The rows that the first bytes have whole."""
    head, is_all = head_of(path)
    lines = head.split(b"\n")
    for line in lines if is_all else lines[:-1]:
        try:
            row = json.loads(line)
        except UNREADABLE:
            return
        if isinstance(row, dict):
            yield row


def _as_cell(value: object) -> str | None:
    """A value of a table as the text of a cell; None for a list, or a record."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return str(value).strip() if isinstance(value, (str, int, float)) else None


def _of_json(path: Path) -> dict[str, tuple[int, ...]] | None:
    """The names in the first lines, where no value is a list of lists: one may lack what others have."""
    values: dict[str, object] = {}
    for row in _rows_of_json(path):
        values |= {name: value for name, value in row.items() if values.get(name) is None}
    if not values or any(isinstance(each, list) and each and isinstance(each[0], list) for each in values.values()):
        return None
    return {name: _shape(values[own]) for name, own in name_columns(path, [*values]).items()}


def _shape(value: object) -> tuple[int, ...]:
    return (len(value),) if isinstance(value, list) else ()


def not_json(lines: bytes, before: int) -> str | None:
    """What is said of the first of some lines that is no object of JSON; None where each is one."""
    for number, line in enumerate(filter(bytes.strip, lines.splitlines()), before + 1):
        try:
            is_object = isinstance(json.loads(line), dict)
        except ValueError:
            is_object = False
        if not is_object:
            return f"row {number:,} is no JSON object: `{line.decode(errors='replace').strip()[:SHOWN]}`"
    return None
