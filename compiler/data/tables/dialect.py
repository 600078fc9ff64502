"""How a table in text is written: its letters, what separates its values, what stands before decimals.

What is not said is found, and told: a byte order mark or what decodes; the separator that divides the first lines alike; the sign that
its numbers need (`signs.py`).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.data.fields import bad
from mai.compiler.data.tables.kinds import head_of, kind_of
from mai.compiler.data.tables.numerals import NAMES, OTHER, Decimal, number_of
from mai.compiler.data.tables.preamble import count_lines_above, count_rows_below, stated_separator
from mai.runtime.inputs.cells import few_of
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.runtime.model.manifest import DateOrder

SEPARATORS = {",": "`,`", ";": "`;`", "\t": "tabs", "|": "`|`"}
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
WESTERN = "cp1252"
UTF8 = ("utf-8", "utf-8-sig")
LINES, SHOWN = 50, 40
COLUMNS_A_WORD = 3  # Between blanks, more than so many for each with words: `12 Mar 2024` has no columns.
FEWEST = 5  # Lines of a table that is not called one: in verses and prose so many hardly ever have as many commas each.
ENDS = re.compile(r"\r\n|\n|\r")
# A letter of Europe in UTF-8; in Windows-1252 a capital letter and a sign.
TWO_BYTES = re.compile(rb"[\xc3-\xc5][\x80-\xbf]")


@record
class Absent:
    """What says, besides an empty cell, that there is no value, as it is written: in all columns, and in some more, by what a spec calls them."""

    everywhere: tuple[str, ...] = ()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def of(self, column: str) -> tuple[str, ...]:
        """What says so in a column."""
        return (*self.everywhere, *(value for name, values in self.columns if name == column for value in values))


NOTHING = Absent()


@record
class Dialect:
    """`encoding` is a codec's name; `separator` stands between values, `decimal` before the decimals of a number.

    The sign `is_told` by a spec, or by cells that are numbers with no other. Where nothing tells it, `doubtful` is a column and a cell that
    would be another number with the other sign. `mixed` is the first line whose letters are in UTF-8, where others' are not. So many lines
    `above` the names of the columns are none of the table, the first of which says `title`, and so many rows `below` them, of which the first
    says `units`. A spreadsheet's table is its `sheet`. Values that are `absent` say that there is none. In dates, `order` says
    whether day or month is first.
    """

    encoding: str = "utf-8"
    separator: str = ","
    decimal: Decimal = "."
    is_told: bool = False
    doubtful: tuple[str, str] | None = None
    mixed: int | None = None
    above: int = 0
    title: str = ""
    below: int = 0
    units: tuple[str, ...] = ()
    sheet: str = ""
    absent: Absent = NOTHING
    order: DateOrder | None = None

    @property
    def skipped(self) -> dict[str, int]:
        """The rows that are none of the table, as pyarrow is told."""
        return {"skip_rows": self.above, "skip_rows_after_names": self.below}

    def without_rows(self, rows: Sequence[Sequence[str]], above: int, title: str) -> Dialect:
        """The same, where so many of the first rows stand above the names."""
        below = count_rows_below(rows[above:])
        units = tuple(filter(None, map(str.strip, rows[above + 1]))) if below else ()
        return replace(self, above=above, title=title, below=below, units=units)


@record
class Stated:
    """What a spec says of these; None is to be found. `likely` is the decimal sign of what was trained on, which decides where no cell tells."""

    encoding: str | None = None
    separator: str | None = None
    decimal: Decimal | None = None
    likely: Decimal | None = None
    sheet: str | None = None
    absent: Absent = NOTHING
    order: DateOrder | None = None


def dialect_of(path: Path, stated: Stated) -> tuple[Dialect, list[str] | None]:
    """How a text is written, and the values of its first line; None where its first bytes do not tell these.

    Raises:
        MaiError: it holds what no text does.
    """
    head, is_all = head_of(path)
    encoding = stated.encoding or _encoding(path, head)
    lines = _first_lines(path, head, encoding, is_all)
    written = next((each for line in lines[:1] if (each := stated_separator(line)) is not None), None)
    separator = stated.separator or written or _separator([line for line in lines if line])
    above = 1 if written is not None else count_lines_above(lines, separator)
    titles = (line.strip(f"{separator} ") for line in lines[:above] if written is None)
    title = next(filter(None, titles), "")
    first = next((line for line in lines[above:] if line), None)
    cells = None
    if first is not None and first.count('"') % 2 == 0:
        cells = [cell.strip() for cell in next(csv.reader([first], delimiter=separator))]
    if stated.separator is None and cells is not None and len(cells) == 1:
        _refuse_blanks(path, lines[above:] if is_all else lines[above:-1])
    dialect = replace(with_decimal(stated), encoding=encoding, separator=separator)
    rows = [[]] * above + [*csv.reader(lines[above:], delimiter=separator)]
    return dialect.without_rows(rows, above, title), cells


def _refuse_blanks(path: Path, lines: Sequence[str]) -> None:
    """Raise `MaiError` for lines of one column each that are several, separated by blanks, most of them numbers."""
    rows = [line.split() for line in lines if line.strip()]
    count = len(rows[0]) if rows else 0
    if count < 2 or len(rows) <= FEWEST or {len(row) for row in rows} != {count}:
        return
    words = sum(any(not _is_any_number(row[place]) for row in rows[1:]) for place in range(count))
    if words < count / COLUMNS_A_WORD and not all(_is_any_number(line.strip()) for line in lines[1:] if line.strip()):
        help = f'write commas between them: in pandas `read_csv("{path.name}", sep=r"\\s+").to_csv("{path.stem}.csv", index=False)`'
        raise bad(f"{path} has {count} columns separated by blanks, which is not read", help=help)


def _is_any_number(cell: str) -> bool:
    return any(number_of(cell, sign) is not None for sign in OTHER)


def holds_columns(path: Path) -> bool:
    """Whether a text is a table whatever it is called. Raises `MaiError`.

    It begins with names, some rows below them have as many values, and one of these values at least is a number: lines of prose may
    have as many commas.
    """
    dialect, names = dialect_of(path, Stated())
    if names is None or len(names) < 2 or not all(names[1:]) or len(set(names)) < len(names):
        return False
    head, is_all = head_of(path)
    lines = _first_lines(path, head, dialect.encoding, is_all)[dialect.above :]
    rows = [row for row in csv.reader(lines, delimiter=dialect.separator) if row]
    has_numbers = any(number_of(cell, dialect.decimal) is not None for row in rows[1:] for cell in row)
    return len(rows) >= FEWEST and {len(row) for row in rows} == {len(names)} and has_numbers


def _first_lines(path: Path, head: bytes, encoding: str, is_all: bool) -> list[str]:
    lines = ENDS.split(_decoded(path, head, encoding, is_all))
    return (lines if is_all else lines[:-1])[:LINES]


def lines_of_head(path: Path, dialect: Dialect) -> list[str]:
    """The whole lines in the first bytes of a text. Raises `MaiError`."""
    head, is_all = head_of(path)
    lines = ENDS.split(_decoded(path, head, dialect.encoding, is_all))
    return lines if is_all else lines[:-1]


def with_decimal(stated: Stated) -> Dialect:
    """A dialect of which the decimal sign, what is absent, and the order of dates alone are as said, or likely."""
    decimal = stated.decimal or stated.likely or "."
    return Dialect(decimal=decimal, is_told=stated.decimal is not None, absent=stated.absent, order=stated.order)


def is_alike(path: Path, stated: Stated) -> bool:
    """Whether a file may be written as is said: its mark tells no other letters, and its first line has the separator."""
    if not path.is_file() or kind_of(path) != "csv":
        return True
    head, _ = head_of(path)
    mark = marked(head)
    if stated.encoding is not None and mark is not None and mark.partition("-sig")[0] != stated.encoding.lower():
        return False
    _, names = dialect_of(path, replace(stated, encoding=stated.encoding or mark or "utf-8"))
    return stated.separator is None or names is None or len(names) > 1


def notes_of(dialect: Dialect, stated: Stated) -> Iterator[str]:
    """What was found that is not usual, in words."""
    yield from notes_of_letters(dialect, stated)
    if dialect.title:
        lines = f"{dialect.above} lines" if dialect.above > 1 else "a line"
        yield f"without {lines} above the names of its columns: `{dialect.title[:SHOWN]}`"
    if dialect.units:
        lines = f"the {dialect.below} rows" if dialect.below > 1 else "the row"
        yield f"without {lines} below the names of its columns, which says {few_of([f'`{each[:SHOWN]}`' for each in dialect.units], 3)} where others have numbers"
    if stated.separator is None and dialect.separator != ",":
        yield f"its values are separated by {SEPARATORS.get(dialect.separator, f'`{dialect.separator}`')}"
    if stated.decimal is None:
        yield from _notes_of_numbers(dialect, stated.likely)


def notes_of_letters(dialect: Dialect, stated: Stated) -> Iterator[str]:
    """The same of its letters alone."""
    if stated.encoding is None and dialect.encoding not in UTF8:
        letters = "Windows-1252" if dialect.encoding == WESTERN else dialect.encoding.upper()
        yield f'its letters are read as {letters} (`encoding = "..."` says another)'
        if dialect.mixed is not None:
            yield f"line {dialect.mixed:,} is in UTF-8, and other lines are not: its letters are read as others, so write the file in one encoding"


def _notes_of_numbers(dialect: Dialect, likely: Decimal | None) -> Iterator[str]:
    sign, other = dialect.decimal, OTHER[dialect.decimal]
    if dialect.doubtful is not None:
        column, cell = dialect.doubtful
        read, else_ = number_of(cell, sign), number_of(cell, other)
        yield f'`{cell}` of `{column}` is read as {read:.15g}, and no cell tells whether it is {else_:.15g} (`decimal = "{other}"` says so)'
    elif likely == other:
        yield f"its numbers have {NAMES[sign]}, those that were trained on {NAMES[other]}"
    elif sign == ",":
        yield f"its numbers have {NAMES[sign]}"


def in_full(path: Path, dialect: Dialect, pieces: Iterator[bytes], is_found: bool) -> Dialect:
    """The dialect after a look at the whole text: letters that are not UTF-8 may stand at its end.

    Args:
        pieces: the text, some bytes at a time.
        is_found: whether the encoding was found, and not said.

    Raises:
        MaiError: a quote is not closed, so that all the rest would be one value.
    """
    decoder, quotes, is_utf8 = codecs.getincrementaldecoder("utf-8")(), 0, True
    lines, mixed = 1, None
    for piece in pieces:
        quotes += piece.count(b'"')
        if mixed is None and is_found:
            letter = None if piece.isascii() else TWO_BYTES.search(piece)
            mixed = None if letter is None else lines + piece.count(b"\n", 0, letter.start())
            lines += piece.count(b"\n")
        is_utf8 = is_utf8 and is_found and _decodes(decoder, piece)
    if quotes % 2:
        help = 'a value in quotes ends with one; one inside is written twice: `"5"" pipe"`'
        raise bad(f"a quote in {path} is not closed: {quotes:,} is an odd number of them", help=help)
    if is_found and dialect.encoding in UTF8 and not (is_utf8 and _decodes(decoder, b"", final=True)):
        dialect = replace(dialect, encoding=WESTERN)
    return replace(dialect, mixed=mixed) if dialect.encoding == WESTERN else dialect


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def marked(head: bytes) -> str | None:
    """The encoding that the first bytes of a text name; None where they name none."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None)


def _encoding(path: Path, head: bytes) -> str:
    if (name := marked(head)) is not None:
        return name
    if b"\0" in head:
        line = head.count(b"\n", 0, head.index(b"\0")) + 1
        raise bad(
            f"{path} is no text: it holds bytes that are zero, the first in line {line}",
            help="a table is a csv, jsonl, parquet or feather file",
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return WESTERN
    return "utf-8"


def _decoded(path: Path, head: bytes, encoding: str, is_all: bool) -> str:
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head, is_all)
    except LookupError as error:
        raise bad(
            f"there is no encoding `{encoding}`", help='"utf-8", "latin-1", "cp1252", "utf-16" are some'
        ) from error
    return text.removeprefix("\ufeff")


def _separator(lines: list[str]) -> str:
    """That which divides the names of the columns, which are in the first line or below what stands above a table."""
    divided = (place for place, line in enumerate(lines) if any(sign in line for sign in SEPARATORS))
    below = _dividing(lines[next(divided, 0) :])
    return below if count_lines_above(lines, below) else _dividing(lines)


def _dividing(lines: list[str]) -> str:
    """That which divides the first line, and as many others as can be into as many values."""
    best, most = ",", (0.0, 1)
    for separator in SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        if not widths or widths[0] < 2:
            continue
        alike = sum(width == widths[0] for width in widths) / len(widths), widths[0]
        if alike > most:
            best, most = separator, alike
    return best
