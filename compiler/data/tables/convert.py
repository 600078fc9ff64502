"""Tables as the columns that a spec's fields take: found by their names, read once, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mai.compiler.data.fields import bad, group_columns, match_columns
from mai.compiler.data.tables.cells import Column, Role
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.data.tables.store import Found, Store
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array

KEY = "split key"  # Among the columns: no field has such a name.


def read_tables(
    tables: Sequence[TableFile], fields: Mapping[str, Type] | None, key: str | None = None, of_time: bool = False
) -> Found:
    """The columns of files together, by field, the rows of the first file first; and what is to be said of them.

    Args:
        fields: what is read of the tables; None reads every column.
        key: a column for a split, `of_time` or not, which becomes the one called `KEY`.

    Raises:
        MaiError: a file is damaged, or lacks a column or a value.
    """
    wanted = _wanted(group_columns([*tables[0].columns]), fields)
    if key is not None:
        if key not in tables[0].columns:
            raise bad(f"the split looks at `{key}`, which the data has not; it has {', '.join(tables[0].columns)}")
        wanted[KEY] = ([key], "time" if of_time else "key")
    store = Store([t.path for t in tables], {"tables": [[t.kind, repr(t.dialect)] for t in tables], "wanted": wanted})
    kept = store.find()
    if kept is not None:
        return kept
    try:
        names = _read(tables, wanted, store)
        if not store.count:
            raise bad(f"{tables[0].path} needs a line of column names and at least one row")
        return store.columns(names, _notes(tables))
    except BaseException:
        store.drop()
        raise


Wanted = dict[str, tuple[list[str], Role]]


def _wanted(groups: Mapping[str, list[str]], fields: Mapping[str, Type] | None) -> Wanted:
    """The columns of each field, and what they are to it; a field without a column is told later, with all names."""
    if fields is None:
        return {name: (columns, "any") for name, columns in groups.items()}
    matched = match_columns(groups, lambda columns: False, fields, named=True)
    return {name: (matched[name], "real" if type_.dtype is DType.REAL else "label") for name, type_ in fields.items()}


def _read(tables: Sequence[TableFile], wanted: Wanted, store: Store) -> dict[str, list[str]]:
    """All rows, into the store; the names of the words of each column that has some."""
    columns = {
        field: [Column(name, role, field, is_part=names != [field] and field != KEY) for name in names]
        for field, (names, role) in wanted.items()
    }
    for table in tables:
        _read_file(table, columns, store)
    return {field: [*parts[0].names] for field, parts in columns.items() if parts[0].names}


def _read_file(table: TableFile, columns: Mapping[str, Sequence[Column]], store: Store) -> None:
    parts = [part for each in columns.values() for part in each]
    for part in parts:
        part.start(table)
        if part.name not in table.columns:
            raise bad(f"{table.path} has no column `{part.name}`; it has {', '.join(table.columns)}")
    rows = 0
    for block in read_blocks(table, list(dict.fromkeys(table.columns[part.name] for part in parts))):
        values = {part: part.read(block[table.columns[part.name]]) for part in parts}
        store.add({field: _joined([values[part] for part in each], each[0].is_part) for field, each in columns.items()})
        rows += len(next(iter(block.values())))
    _refuse_missing(table, parts, rows)


def _joined(parts: Sequence[Array], are_parts: bool) -> Array:
    """Columns as one vector a row; one column as it is."""
    return np.stack(parts, 1) if are_parts else parts[0]


def _refuse_missing(table: TableFile, parts: Sequence[Column], rows: int) -> None:
    """Raise `MaiError` where rows of a file have no value."""
    lacking = [part for part in parts if part.missing]
    if lacking:
        first, *others = lacking
        more = f"; {', '.join(f'`{each.name}` in {each.missing:,}' for each in others)}" if others else ""
        help = "a model needs a number in every row: fill the gaps, leave out these rows, or leave out the column"
        raise bad(f"{table.path}: {first.lacks()} of {rows:,} rows{more}", help=help)


def _notes(tables: Sequence[TableFile]) -> list[str]:
    """What was found in the files, those that are alike together."""
    first: dict[str, str] = {}
    for table in tables:
        if table.notes:
            first.setdefault("; ".join(table.notes), table.path.name)
    return [f"{name}: {said}" for said, name in first.items()]
