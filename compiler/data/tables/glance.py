"""What the first lines of a table say, or the end of a file that has its columns there: for `mai check`, which reads no rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from mai.compiler.data.tables.dialect import Stated, dialect_of, lines_of_head
from mai.compiler.data.tables.header import name_columns
from mai.compiler.data.tables.kinds import head_of, kind_of
from mai.compiler.data.tables.numerals import number_of
from mai.runtime.files import UNREADABLE
from mai.runtime.inputs.cells import LACKING, MISSING


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
    from mai.compiler.data.tables.files import shapes_of

    shapes = shapes_of(path)
    return None if shapes is None else {n: shapes[own] for n, own in name_columns(path, [*shapes]).items()}


def words_of(path: Path, stated: Stated, whole: bool) -> dict[str, list[str]]:
    """The different words of each column of a csv file, in alphabetical order, as far as its first bytes have them; no column with a number.

    Where rows that lack a value may be left out, those of `whole` rows alone.
    """
    if kind_of(path) != "csv":
        return {}
    dialect, names = dialect_of(path, stated)
    rows = list(csv.reader(lines_of_head(path, dialect)[dialect.above :], delimiter=dialect.separator))
    columns: dict[str, set[str]] = {} if not names else {name: set() for name in name_columns(path, names)}
    for row in ([cell.strip() for cell in each] for each in rows[1:]):
        is_lacking = whole and any(cell.lower() in MISSING for cell in row)
        if len(row) == len(columns) and not is_lacking:  # A value of several lines has other widths.
            for words, cell in zip(columns.values(), row, strict=True):
                words.add(cell)
    there = {name: {word for word in words if word.lower() not in LACKING} for name, words in columns.items()}
    are_numbers = {
        n for n, words in there.items() if any(number_of(word, dialect.decimal) is not None for word in words)
    }
    return {name: sorted(words) for name, words in there.items() if name not in are_numbers}


def _of_json(path: Path) -> dict[str, tuple[int, ...]] | None:
    """The names in the first line, where its values are no lists."""
    head, is_all = head_of(path)
    line, end, _ = head.partition(b"\n")
    if not end and not is_all:
        return None
    try:
        row = json.loads(line)
    except UNREADABLE:
        return None
    if not isinstance(row, dict):
        return None
    if any(isinstance(each, list) and each and isinstance(each[0], list) for each in row.values()):
        return None
    return {name: _shape(row[own]) for name, own in name_columns(path, [*row]).items()}


def _shape(value: object) -> tuple[int, ...]:
    return (len(value),) if isinstance(value, list) else ()
