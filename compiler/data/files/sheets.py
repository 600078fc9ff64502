"""The sheets of spreadsheets as tables of text, as a csv file has them: read by the package `python-calamine`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.fields import bad
from mai.compiler.data.tables.dialect import Stated, with_decimal
from mai.compiler.data.tables.header import name_columns, note_of_nameless
from mai.compiler.data.tables.kinds import kind_of
from mai.compiler.data.tables.numerals import Decimal
from mai.compiler.data.tables.preamble import count_rows_above, join_names
from mai.runtime.inputs.cells import few_of

if TYPE_CHECKING:
    import pyarrow as pa
    from python_calamine import CalamineSheet, CalamineWorkbook

    from mai.compiler.data.tables.files import TableFile

LIKE_NUMBERS = 1e15  # Whole numbers below it are written without a fraction.
LOOKED_AT = 50  # Rows in which the names of columns are looked for.
TEXTS = 4096  # Rows whose texts are looked at together.
SAVED = "or save the sheet as a csv file, with its dates as 2024-03-14"


def open_sheet(path: Path, stated: Stated) -> TableFile:
    """A sheet of a spreadsheet: the one that is stated, or the first that is shown and is a table; its columns known.

    Cells have the values that were last computed; one with an error, as `#N/A`, is empty. Of a merged cell all rows have the value, in its first column. Names of groups of columns stand before those of the columns.

    Raises:
        MaiError: nothing reads spreadsheets here, the file is damaged, or has no such sheet, or the sheet is no table.
    """
    from mai.compiler.data.tables.files import TableFile, noted
    from mai.compiler.data.tables.signs import with_sign

    with _opened(path) as book:
        if stated.sheet is not None and stated.sheet not in book.sheet_names:
            raise bad(f"{path} has no sheet `{stated.sheet}`; it has {few_of(book.sheet_names)}")
        heads, sheet = _heads(book, _shown(book) if stated.sheet is None else [stated.sheet])
    if sheet is None:
        which = f"sheet `{stated.sheet}` of {path}" if stated.sheet else str(path)
        raise bad(f"{which} needs a line of column names and at least one row")
    rows = heads[sheet.name]
    above = count_rows_above(rows)
    title = next((cell for row in rows[:above] for cell in row if cell), "")
    dialect = replace(with_decimal(stated), sheet=sheet.name).without_rows(rows, above, title)
    if stated.decimal is None:
        dialect = with_sign(dialect, _texts(sheet), stated.likely)
    names = rows[above]
    table = TableFile(path, "sheet", name_columns(path, names), dialect, nameless=note_of_nameless(names))
    table = noted(table, dialect, stated)
    if len(heads) == 1:
        return table
    which = f'its sheet `{sheet.name}` is read, of {few_of([*heads])} (in a spec, `sheet = "..."` names another)'
    return replace(table, notes=(which, *table.notes))


def sheet_blocks(table: TableFile, columns: Sequence[str], size: int) -> Iterator[Mapping[str, pa.Array]]:
    """Some columns by name, so many rows at a time, every value as text. Raises `MaiError` where the file is damaged."""
    import pyarrow as pa

    with _opened(table.path) as book:
        sheet, (above, below) = book.get_sheet_by_name(table.dialect.sheet), table.dialect.skipped.values()
        names = next(islice(_rows(sheet), above, None))
        rows = islice(_rows(sheet, table.dialect.decimal), above + 1 + below, None)
        places = {name: names.index(name) for name in columns}
        while block := [*islice(rows, size)]:
            yield {name: pa.array([row[place] for row in block], pa.string()) for name, place in places.items()}


def has_sheet(path: Path, name: str | None) -> bool:
    """Whether a file is a spreadsheet with a sheet of this name; any file where None is said. Raises `MaiError`."""
    if name is None or kind_of(path) != "sheet":
        return name is None
    with _opened(path) as book:
        return name in book.sheet_names


@contextmanager
def _opened(path: Path) -> Iterator[CalamineWorkbook]:
    try:
        from python_calamine import CalamineError, CalamineWorkbook, PasswordError
    except ImportError as error:
        help = f"pip install 'mai-lang[sheets]' brings python-calamine; {SAVED}"
        raise bad(f"{path} is a spreadsheet, and nothing is installed that reads these", help=help) from error
    try:
        with CalamineWorkbook.from_path(path) as book:
            yield book
    except PasswordError as error:
        raise bad(f"{path} is locked by a password", help="save it without one") from error
    except (CalamineError, OSError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise bad(f"{path} cannot be read: {message}", help=f"is it whole? Copy it again, {SAVED}") from error


def _shown(book: CalamineWorkbook) -> list[str]:
    """The sheets that are not hidden; charts and macros are none."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    usual = (SheetTypeEnum.WorkSheet, SheetVisibleEnum.Visible)
    return [each.name for each in book.sheets_metadata if (each.typ, each.visible) == usual]


def _heads(book: CalamineWorkbook, names: Sequence[str]) -> tuple[dict[str, list[list[str]]], CalamineSheet | None]:
    """The first rows of sheets by their names, of those that have cells, and the first that may be a table; each is read once."""
    heads: dict[str, list[list[str]]] = {}
    first = None
    for sheet in map(book.get_sheet_by_name, names):
        if sheet.height:
            heads[sheet.name] = [*islice(_rows(sheet), LOOKED_AT)]
            first = sheet if first is None and len(heads[sheet.name]) > 1 else first
    return heads, first


def _texts(sheet: CalamineSheet) -> Iterator[Mapping[str, pa.Array]]:
    """The cells that are texts, by the places of their columns: those of numbers have no decimal sign."""
    import pyarrow as pa

    rows = iter(sheet.iter_rows())
    while block := [*islice(rows, TEXTS)]:
        columns = ([cell for cell in column if isinstance(cell, str)] for column in zip(*block, strict=True))
        yield {str(place): pa.array(column, pa.string()) for place, column in enumerate(columns)}


def _rows(sheet: CalamineSheet, decimal: Decimal = ".") -> Iterator[list[str]]:
    """Rows as texts, numbers with this sign, without those that are empty; names in two rows, those of groups above, are in one."""
    rows = _rows_as_they_stand(sheet, decimal)
    yield from join_names([*islice(rows, LOOKED_AT)])
    yield from rows


def _rows_as_they_stand(sheet: CalamineSheet, decimal: Decimal) -> Iterator[list[str]]:
    """The rows; a value that is merged down stands in each of its rows."""
    top, left = sheet.start or (0, 0)
    down: dict[int, list[int]] = {}
    for (begin, column), (end, _) in sheet.merged_cell_ranges or ():
        if begin >= top and 0 <= column - left < sheet.width:  # Others lie around the cells that have something.
            for row in range(begin + 1 - top, min(end + 1 - top, sheet.height)):
                down.setdefault(row, []).append(column - left)
    above: list[str] = []
    for number, cells in enumerate(sheet.iter_rows()):
        texts = [_text(cell, decimal) for cell in cells]
        for column in down.get(number, ()):
            texts[column] = above[column]
        if any(texts):
            yield texts
        above = texts


def _text(value: object, decimal: Decimal) -> str:
    """The value of a cell as a csv file has it."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < LIKE_NUMBERS:
            return str(int(value))
        case float():
            return str(value).replace(".", decimal)
    return str(value)
