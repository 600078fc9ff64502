"""Columns of a text table in a file that has types: what is a number becomes one, anything else stays as it is written."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.files.arrow_types import lacks_values
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.data.tables.numerals import Decimal

# Numbers that come back as they are written: not 007, which is a name, and no more digits than a number has.
WHOLE = r"^-?(0|[1-9]\d{0,17})$"
REAL = r"^-?(0|[1-9]\d{0,17})?(\.\d+)?([eE][-+]?\d{1,2})?$"
APART = "'"  # In the place of a point between thousands: such a number stays as it is written.
DIGIT = r"^-?\.?\d"


class KeptColumns:
    """The columns of a table that are written, too: those of a csv file, where there is a `typed` one, with the types of their numbers."""

    def __init__(self, names: Sequence[str], typed: TableFile | None) -> None:
        self._names = names
        self._decimal: Decimal = typed.dialect.decimal if typed is not None else "."
        self._types = number_types(typed, names) if typed is not None else {}

    def of(self, rows: pa.Table) -> dict[str, pa.ChunkedArray]:
        """The columns of some rows, by name."""
        return {name: self._typed(name, rows.column(name)) for name in self._names}

    def _typed(self, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = self._types.get(name)
        return column if kind is None else _cells(column, self._decimal).cast(kind)


def number_types(table: TableFile, columns: Sequence[str]) -> dict[str, pa.DataType]:
    """The types of those columns of a csv file, whole or real, in which every cell is a number or says that there is none.

    The file is read once for it. Raises `MaiError` where it is damaged.
    """
    if table.kind not in ("csv", "sheet"):
        return {}
    types: dict[str, pa.DataType] = dict.fromkeys(columns, pa.null())
    written = {name: table.columns[name] for name in columns}
    for block in read_blocks(table, [*written.values()]):
        for name in [*types]:
            kind = _type_of(_cells(block[written[name]], table.dialect.decimal))
            if kind is None:
                del types[name]
            elif kind != pa.null():
                types[name] = kind if types[name] != pa.float64() else pa.float64()
    return {name: kind for name, kind in types.items() if kind != pa.null()}


def _cells(texts: pa.Array, decimal: Decimal) -> pa.Array:
    """Texts without the spaces around them, with a point before the fraction alone; null where they say that there is no value."""
    trimmed = pc.utf8_trim_whitespace(texts)
    if decimal == ",":
        trimmed = pc.replace_substring(pc.replace_substring(trimmed, ".", APART), ",", ".")
    return pc.if_else(lacks_values(trimmed), pa.scalar(None, pa.string()), trimmed)


def _type_of(cells: pa.Array) -> pa.DataType | None:
    """What all cells are: whole or real numbers, or nothing, `pa.null()`; None where one is neither."""
    if cells.null_count == len(cells):
        return pa.null()
    if pc.all(pc.match_substring_regex(cells, WHOLE)).as_py():
        return pa.int64()
    are_real = pc.and_(pc.match_substring_regex(cells, REAL), pc.match_substring_regex(cells, DIGIT))
    return pa.float64() if pc.all(are_real).as_py() else None
