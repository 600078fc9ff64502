"""Lines of JSON whose values are of several kinds in one column: read where that has one meaning, else refused with the row and the column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.spec.diagnostics import MaiError
from mai.spec.record import record

NOTHING, TRUTH, NUMBER, TEXT, LIST, OBJECT = "missing", "true or false", "a number", "a text", "a list", "an object"
CELLS = frozenset((TRUTH, NUMBER, TEXT))  # What a table of texts can hold as it is written.
HELP = "write values of one kind in each column, and leave a value out where there is none"
PART = "text"  # In lists of parts of a message, the kind of one that is a text, and its field.


@record
class Place:
    """Where values stand: a file, and a column or a field of its objects, in words."""

    path: Path
    column: str

    def field(self, name: str) -> Place:
        """That of a field of its objects."""
        return Place(self.path, f"{self.column}: `{name}`")


def read_mixed(lines: bytes, path: Path, before: int) -> pa.Table | None:
    """Rows, of which so many are `before` them, as a table; None where they are no objects of JSON.

    Numbers among texts are texts, as they would be in a csv file. A text among lists of parts, as contents of messages are, is a list of one.

    Raises:
        MaiError: `data-bad` where values of one column, or of one field of its objects, are of kinds that have no meaning together.
    """
    try:
        rows = [json.loads(line) for line in lines.splitlines() if line.strip()]
    except ValueError:
        return None
    if not all(isinstance(row, dict) for row in rows):
        return None
    columns = dict.fromkeys(name for row in rows for name in row)
    numbers = range(before + 1, before + 1 + len(rows))
    return pa.table({name: _column([row.get(name) for row in rows], numbers, path, name) for name in columns})


def _column(values: list[Any], rows: Sequence[int], path: Path, name: str) -> pa.Array:
    kinds = {*map(_kind, values)} - {NOTHING}
    if len(kinds) > 1 and kinds <= CELLS:
        values = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    else:
        values = _alike(values, rows, Place(path, f"`{name}`"))
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError) as error:
        raise bad(f"{path}: `{name}` cannot be read: {error}", help=HELP) from error


def _alike(values: Sequence[Any], rows: Sequence[int], where: Place) -> list[Any]:
    """Values of one kind, each of the row of that number, and what is in their lists and objects, too. Raises `MaiError`."""
    kinds = [_kind(value) for value in values]
    there = {*kinds} - {NOTHING}
    if there == {TEXT, LIST} and (wrapped := _as_lists(values)) is not None:
        return _alike(wrapped, rows, where)
    if len(there) > 1:
        raise _differs(kinds, rows, where)
    if there == {LIST}:
        return _of_lists(values, rows, where)
    return _of_objects(values, rows, where) if there == {OBJECT} else [*values]


def _of_lists(values: Sequence[Any], rows: Sequence[int], where: Place) -> list[Any]:
    lengths = [len(value or []) for value in values]
    of_rows = [row for row, length in zip(rows, lengths, strict=True) for _ in range(length)]
    inside = iter(_alike([each for value in values for each in value or []], of_rows, where))
    return [
        None if value is None else [next(inside) for _ in range(length)]
        for value, length in zip(values, lengths, strict=True)
    ]


def _of_objects(values: Sequence[Any], rows: Sequence[int], where: Place) -> list[Any]:
    names = dict.fromkeys(name for value in values for name in value or ())
    fields = {name: _alike([(value or {}).get(name) for value in values], rows, where.field(name)) for name in names}
    return [
        None if value is None else {name: each[place] for name, each in fields.items()}
        for place, value in enumerate(values)
    ]


def _as_lists(values: Sequence[Any]) -> list[Any] | None:
    """Texts among lists of parts, or of texts, as lists of one; None where the lists have anything else in them."""
    inside = [each for value in values if isinstance(value, list) for each in value]
    are_texts = all(isinstance(each, str) for each in inside)
    if not are_texts and not all(isinstance(each, Mapping) and isinstance(each.get("type"), str) for each in inside):
        return None

    def as_list(text: str) -> list[Any]:
        return [text] if are_texts else [{"type": PART, PART: text}]

    return [as_list(value) if isinstance(value, str) else value for value in values]


def _differs(kinds: Sequence[str], rows: Sequence[int], where: Place) -> MaiError:
    """The first value that is of another kind than the first that is there."""
    first = next(place for place, kind in enumerate(kinds) if kind != NOTHING)
    other = next(place for place, kind in enumerate(kinds) if kind not in (NOTHING, kinds[first]))
    what = f"{where.column} is {kinds[other]}, and {kinds[first]} in row {rows[first]:,}"
    return bad(f"{where.path}: row {rows[other]:,}: {what}", help=HELP)


def _kind(value: Any) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return TRUTH
        case int() | float():
            return NUMBER
        case str():
            return TEXT
        case list():
            return LIST
    return OBJECT
