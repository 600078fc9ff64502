"""Tables as the columns that a spec's fields take: found by their names, read once, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mai.compiler.data.fields import bad, check_fields_named, check_there, group_columns, match_columns
from mai.compiler.data.rows import Dates, Percents
from mai.compiler.data.tables.cells import Column, Missing, Role
from mai.compiler.data.tables.files import TableFile, notes_on, read_blocks
from mai.compiler.data.tables.store import Store, TableColumns
from mai.compiler.data.totals import note_of_totals
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of

REMEDY = (
    "leave these rows out: `missing = drop`; or keep them, `missing = keep`: the number is NaN, for `fill(x)` and `missing(x)`, "
    "and a label the one after those with names"
)
KEY, ROW = "split key", "row number"  # Among the columns: no field has such a name.


def read_tables(
    tables: Sequence[TableFile], fields: Mapping[str, Type] | None, key: str | None = None, of_time: bool = False,
    missing: Missing = "refuse", needs: Sequence[str] = (), words: Sequence[str] = (), numbered: bool = False,
    vectors: Mapping[str, Sequence[str]] | None = None,
) -> TableColumns:  # fmt: skip
    """The columns of files together, by field, the rows of the first file first; what is to be said of them; which are dates; and how percents are written.

    Args:
        fields: what is read of the tables; None reads every column.
        key: a column for a split, `of_time` or not, which becomes the one called `KEY`.
        needs: fields without whose value a row is left out, whatever is `missing`.
        words: fields of labels whose values are names, also where they look like numbers.
        missing: whether rows without a value are refused, left out, or kept: NaN for a number, -1 for a label.
        vectors: the columns of fields that have names of their own.
        numbered: whether a column called `ROW` has the number of each row in the files, from 0.

    Raises:
        MaiError: a file is damaged, or lacks a column or a value.
    """
    groups = group_columns([*tables[0].columns], fields or ())
    wanted = _wanted(groups | {name: [*own] for name, own in (vectors or {}).items()}, fields)
    if key is not None:
        check_there(key, tables[0].columns, "the split looks at")
        wanted[KEY] = ([key], "time" if of_time else "key")
    needed = {*wanted} if missing == "drop" else {*needs}
    if key is not None and any(key in wanted[name][0] for name in needed & {*wanted}):
        needed.add(KEY)
    check_fields_named((*needs, *words), wanted)
    reads = {"wanted": wanted, "missing": missing, "needs": [*needs], "words": [*words], "numbered": numbered}
    store = Store([t.path for t in tables], {"tables": [[t.kind, repr(t.dialect)] for t in tables], **reads})
    kept = store.find()
    if kept is not None:
        return kept
    try:
        columns, notes = _read(tables, wanted, store, needed, {*words}, missing == "refuse", numbered)
        if not store.count:
            raise bad(f"{tables[0].path} needs a line of column names and at least one row")
        names = {field: [*parts[0].names] for field, parts in columns.items() if parts[0].names}
        for field, parts in columns.items():
            if field not in (vectors or {}):
                _refuse_zones(field, parts)
        return store.columns(names, [*notes_on(tables), *notes], _dates(columns), percents_of(columns))
    except BaseException:
        store.drop()
        raise
    finally:
        _let_go()


def _let_go() -> None:
    """Give the system back what memory pyarrow read with: training needs it."""
    from pyarrow import default_memory_pool

    default_memory_pool().release_unused()


Wanted = dict[str, tuple[list[str], Role]]


def _wanted(groups: Mapping[str, list[str]], fields: Mapping[str, Type] | None) -> Wanted:
    """The columns of each field, and what they are to it; a field without a column is reported later, with all names."""
    if fields is None:
        return {name: (columns, "any") for name, columns in groups.items()}
    matched = match_columns(groups, lambda columns: False, fields, named=True)
    return {name: (matched[name], "real" if type_.dtype is DType.REAL else "label") for name, type_ in fields.items()}


def _read(
    tables: Sequence[TableFile],
    wanted: Wanted,
    store: Store,
    needed: set[str],
    words: set[str],
    refuse: bool,
    numbered: bool,
) -> tuple[dict[str, list[Column]], list[str]]:
    """All rows, into the store; the columns of each field as they were read, and what is to be said of them."""
    columns = {
        field: [
            Column(name, role, field, is_part=names != [field] and field != KEY, named=field in words) for name in names
        ]
        for field, (names, role) in wanted.items()
    }
    notes, count = [], 0
    for table in tables:
        rows, gone = _read_file(table, columns, store, needed, refuse, count if numbered else None)
        count += rows
        if gone:
            notes.append(f"{table.path.name}: {gone:,} of {rows:,} rows lack a value, and are left out")
        totals = [part.name for parts in columns.values() for part in parts if part.last.is_total]
        if totals:
            notes.append(f"{table.path.name}: {note_of_totals(totals)}")
    notes += dict.fromkeys(note for parts in columns.values() for part in parts for note in part.notes())
    return columns, notes


def _refuse_zones(field: str, parts: Sequence[Column]) -> None:
    """Raise `MaiError` where some columns of a vector have times with an offset from UTC and some without: a call writes all in one way."""
    of_zone: dict[bool, str] = {}
    for part in parts:
        if part.are_dates:
            of_zone.setdefault(bool(part.in_utc), part.name)
    if len(of_zone) > 1:
        message = f"`{field}` has times with an offset from UTC, in column `{of_zone[True]}`, and without one, in `{of_zone[False]}`"
        raise bad(message, help="write all of them in one way, or make each a field of its own")


def _dates(columns: Mapping[str, Sequence[Column]]) -> Dates:
    """Which columns of the fields are dates."""
    of_fields = {f: tuple(bool(p.in_utc) if p.are_dates else None for p in parts) for f, parts in columns.items()}
    return {field: each for field, each in of_fields.items() if any(part is not None for part in each)}


def percents_of(columns: Mapping[str, Sequence[Column]]) -> Percents:
    """How the numbers of the fields are written that have a percent sign, or have none."""
    examples = {field: tuple(part.percents.example for part in parts) for field, parts in columns.items()}
    return {field: each for field, each in examples.items() if any(each)}


def _read_file(
    table: TableFile,
    columns: Mapping[str, Sequence[Column]],
    store: Store,
    needed: set[str],
    refuse: bool,
    first: int | None,
) -> tuple[int, int]:
    """The rows of a file, of which the `first` has this number, and how many of them were left out. Raises `MaiError` where they may not be."""
    parts = [part for each in columns.values() for part in each]
    for part in parts:
        part.start(table)
        if part.name not in table.columns:
            raise bad(f"{table.path} has no column `{part.name}`; it has {few_of(table.columns)}")
    rows = gone = 0
    for block in read_blocks(table, list(dict.fromkeys(table.columns[part.name] for part in parts))):
        values = {part: part.read(block[table.columns[part.name]]) for part in parts}
        joined = {field: _joined([values[part] for part in each], each[0].is_part) for field, each in columns.items()}
        count = len(next(iter(block.values())))
        if first is not None:
            joined[ROW] = first + rows + np.arange(count)
        gaps = [part.gaps for field in needed for part in columns[field] if part.gaps is not None]
        if gaps:
            whole = ~np.any(gaps, axis=0)
            joined, gone = {field: array[whole] for field, array in joined.items()}, gone + int((~whole).sum())
        store.add(joined)
        rows += count
    others = [part for field, each in columns.items() if field not in needed for part in each]
    _refuse_missing(table, [part for part in others if refuse or not part.has_gaps], rows)
    return rows, gone


def _joined(parts: Sequence[Array], are_parts: bool) -> Array:
    """Columns as one vector a row; one column as it is."""
    return np.stack(parts, 1) if are_parts else parts[0]


def _refuse_missing(table: TableFile, parts: Sequence[Column], rows: int) -> None:
    """Raise `MaiError` where rows of a file have no value."""
    lacking = [part for part in parts if part.missing]
    if lacking:
        first, *others = lacking
        more = f"; {few_of([f'`{each.name}` in {each.missing:,}' for each in others])}" if others else ""
        help = (
            REMEDY
            if first.has_gaps
            else "leave these rows out, `missing = drop`: nothing stands for what is missing there"
        )
        raise bad(f"{table.path}: {first.lacks()} of {rows:,} rows{more}", help=help)
