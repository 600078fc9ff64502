"""What may stand around the names of a table's columns: above them what Excel says of its separator, a title, comments, below them units."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from mai.compiler.data.tables.numerals import OTHER, number_of
from mai.runtime.inputs.cells import MISSING, is_number

OF_EXCEL = re.compile(r'\s*"?sep=([,;|:^~#!\t]|\\t)"?[,;\s]*', re.IGNORECASE)
MOST = 20  # Lines that are looked at for the names.
MOST_BELOW = 2  # Rows below the names that say what these are.


def stated_separator(line: str) -> str | None:
    """What a first line says of the separator, `sep=;`; None where it is no such line."""
    said = OF_EXCEL.fullmatch(line)
    return None if said is None else said[1].replace("\\t", "\t")


def count_lines_above(lines: Sequence[str], separator: str) -> int:
    """How many lines stand above the names, as `count_rows_above`; none where a value goes on in the next line."""
    lines = lines[: 2 * MOST]
    rows = [*csv.reader(lines, delimiter=separator)]
    if sum(line.count('"') for line in lines) % 2:  # The last value goes on below.
        rows.pop()
    above = count_rows_above(rows)
    return 0 if any(line.count('"') % 2 for line in lines[: above + 1]) else above


def count_rows_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows of values stand above the names.

    Such a row is empty, has one value where the names are several, begins with `#` and has another number of values than
    the names, or has fewer values than they, `Account;DE89`, and no number is among the names, but below them. Without a row that may
    hold names below them, there are none: the file is reported as wrong as it stands.
    """
    for place, row in enumerate(rows[:MOST]):
        below = rows[place + 1 : 2 * MOST]
        if row and not _stands_above(row, below) and not _is_narrower(row, below):
            return place if not place or _are_names(row, below) else 0
    return 0


def join_names(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The rows, where the names stand in two of them in one: those of groups, `Sales`, above those of their columns, `2022` and `2023`.

    Columns that are in no group have nothing below their names, or the same again.
    """
    joined = [*map(list, rows)]
    place = next((place for place, row in enumerate(joined) if sum(map(bool, row)) > 1), len(joined))
    if place + 2 < len(joined) and _are_groups(*joined[place : place + 2]):
        above, names = joined[place : place + 2]
        groups: Iterator[str] = accumulate(above, lambda group, name: name or group)
        joined[place : place + 2] = [
            [g if name in ("", g) else f"{g} {name}" for g, name in zip(groups, names, strict=True)]
        ]
    return joined


def _are_groups(above: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a row names groups of columns, each in the first of them, and single columns, and the next one the columns of the groups alone."""
    grouped = [not own or following == "" for own, following in zip(above, [*above[1:], None], strict=True)]
    fit = [bool(n) if g else n in ("", own) for n, own, g in zip(names, above, grouped, strict=True)]
    return bool(above[0]) and any(grouped) and not all(grouped) and all(fit)


def count_rows_below(rows: Sequence[Sequence[str]]) -> int:
    """How many rows below the names, the first row, are no examples: where all rows after them have numbers, they have words, as units.

    In one column alone, or above no more rows than they are, words may be a mistake or labels, but for those in brackets, `[°C]`.
    """
    rows = [row for row in rows if any(map(str.strip, row))]
    for count in range(min(MOST_BELOW, len(rows) - 2), 0, -1):
        said, values = rows[1 : count + 1], [row for row in rows[count + 1 :] if len(row) == len(rows[0])]
        places = [place for place in range(len(rows[0])) if _are_numbers([row[place] for row in values])]
        cells = [[row[place].strip() for place in places] for row in said if len(row) == len(rows[0])]
        if len(cells) == count and all(_are_units(each, alone=len(values) <= count) for each in cells):
            return 0 if [*rows[0]] in [[*row] for row in said] else count
    return 0


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether all cells that have a value are numbers, and one has."""
    there = [cell.strip() for cell in cells if cell.strip().lower() not in MISSING]
    return bool(there) and all(map(_is_number, there))


def _are_units(cells: Sequence[str], alone: bool) -> bool:
    """Whether what stands where the others have numbers is none, and no value that is missing, but for some; `alone` they stand in brackets."""
    words = [cell for cell in cells if cell.lower() not in MISSING]
    if any(_is_number(word) or word[0] in "<>" for word in words):  # `<0.1` is an amount that is too small to measure.
        return False
    in_brackets = [word for word in words if word[0] + word[-1] in ("[]", "()")]
    return len(in_brackets) == len(words) > 0 or (not alone and 2 * len(words) > max(2, len(cells)))


def _is_number(cell: str) -> bool:
    return any(number_of(cell.strip(), sign) is not None for sign in OTHER)


def _is_narrower(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row has fewer values than the next that is as wide as any, that one holds words alone, and there are numbers below it."""
    width = max(map(len, below), default=0)
    own = max((place for place, cell in enumerate(row, 1) if cell.strip()), default=0)
    place, names = next(((place, other) for place, other in enumerate(below) if len(other) == width), (0, ()))
    are_words = all(cell.strip() and not _is_number(cell) for cell in names)
    if not are_words or not (len(row) < width or 2 * own <= width):
        return False
    return any(_is_number(cell) for other in below[place + 1 :] for cell in other)


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
