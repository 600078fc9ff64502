"""What the first lines of a table say, or the end of a file that has its columns there: for `mai check`, which reads no rows."""

from __future__ import annotations

import json
from pathlib import Path

from mai.compiler.data.tables.dialect import Stated, dialect_of
from mai.compiler.data.tables.header import name_columns
from mai.compiler.data.tables.kinds import head_of, kind_of
from mai.runtime.files import UNREADABLE


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
