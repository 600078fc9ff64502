"""What may stand above the names of a table's columns: what Excel says of its separator, a title, comments."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from mai.runtime.inputs.cells import is_number

OF_EXCEL = re.compile(r'\s*"?sep=([,;|:^~#!\t]|\\t)"?[,;\s]*', re.IGNORECASE)
MOST = 20  # Lines that are looked at for the names.


def stated_separator(line: str) -> str | None:
    """What a first line says of the separator, `sep=;`; None where it is no such line."""
    said = OF_EXCEL.fullmatch(line)
    return None if said is None else said[1].replace("\\t", "\t")


def count_lines_above(lines: Sequence[str], separator: str) -> int:
    """How many lines stand above the names, as `count_rows_above`; none where a value goes on in the next line."""
    above = count_rows_above([next(csv.reader([line], delimiter=separator), []) for line in lines[: 2 * MOST]])
    return 0 if any(line.count('"') % 2 for line in lines[: above + 1]) else above


def count_rows_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows of values stand above the names.

    Such a row is empty, has one value where the names are several, or begins with `#` and has another number of values than
    the names. Without a row that may hold names below them, there are none: the file is reported as wrong as it stands.
    """
    for place, row in enumerate(rows[:MOST]):
        below = rows[place + 1 : 2 * MOST]
        if row and not _stands_above(row, below):
            return place if not place or _are_names(row, below) else 0
    return 0


def _stands_above(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    filled = [bool(value.strip()) for value in row]
    if filled == [False, True]:  # The names of an index without one and of a column, as pandas writes them.
        return False
    if sum(filled) < 2:
        return True
    return row[0].lstrip()[:1] == "#" and all(len(row) != len(other) for other in below if other)


def _are_names(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether values name columns: each is there, not all are numbers, and the next lines have as many."""
    widths = {len(other) for other in below if other}
    return all(map(str.strip, row[1:])) and not all(map(is_number, row)) and widths == {len(row)}
