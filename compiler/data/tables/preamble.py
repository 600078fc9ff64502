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
    """How many lines stand above the names.

    Such a line is empty, has one value where the names are several, or begins with `#` and has another number of values than
    the names. Without a line that may hold names below them, there are none: the file is reported as wrong as it stands.
    """
    rows = [next(csv.reader([line], delimiter=separator), []) for line in lines[: 2 * MOST]]
    for place, row in enumerate(rows[:MOST]):
        if lines[place].count('"') % 2:  # A value goes on in the next line.
            return 0
        if row and not _stands_above(row, rows[place + 1 :]):
            return place if not place or _are_names(row, rows[place + 1 :]) else 0
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
