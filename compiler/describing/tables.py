"""A table, described: its columns, and the fields of a `data` line that they could be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import bad, group_columns
from mai.compiler.data.files.arrow_types import decoded, without
from mai.compiler.data.label_names import notes_of_spellings
from mai.compiler.data.tables.dates import HELP, NO_DURATION, needs_order, orders_of, said_of_order
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import TableFile, open_tables, read_blocks
from mai.compiler.data.tables.header import identifier
from mai.compiler.data.tables.numerals import Dressed
from mai.compiler.data.totals import note_of_totals
from mai.compiler.describing.columns.column import ColumnReader, ColumnSummary
from mai.compiler.describing.columns.hints import code_for_missing, counted_dates, dates_in_digits, names_rows
from mai.runtime.inputs.cells import MISSING, few_of, in_one_line, notes_of_lacking, shortened
from mai.runtime.model.manifest import DateOrder
from mai.spec.record import record

LETTERS_OF_TEXT, SPACES_OF_TEXT = 40, 4  # Words that are longer, or of more parts, in the mean are texts.
NUMBERS = ("number", "whole", "date")
AS_FOUND = Stated()
COUNTS = {2: "two", 3: "three", 4: "four"}
CHOICES = (";", "|", ",", "/", "+")  # What stands between the choices of a list in a cell.


@record
class Field:
    """A field that columns could be: its name, its type as a spec writes it, and the columns."""

    name: str
    type_text: str
    columns: tuple[ColumnSummary, ...]

    @property
    def has_gaps(self) -> bool:
        """Whether rows lack a value of it."""
        return any(each.missing for each in self.columns)


@record
class TableSummary:
    """The rows of files together, column by column; `notes` say how they are written.

    Where the spec did not say whether day or month is first in dates, and the dates tell it, it is the `order` to say.
    """

    files: tuple[Path, ...]
    kind: str
    rows: int
    columns: tuple[ColumnSummary, ...]
    notes: tuple[str, ...]
    order: DateOrder | None = None

    def column(self, name: str) -> ColumnSummary | None:
        """The column of this name."""
        return next((each for each in self.columns if each.name == name), None)

    def column_called(self, name: str) -> ColumnSummary | None:
        """The column of this name, as a spec calls it or as the file writes it, in any letters."""
        called = (name.casefold(), identifier(name).casefold())
        return self.column(name) or next((each for each in self.columns if each.name.casefold() in called), None)

    def shape_of(self, name: str, width: int) -> tuple[int, ...]:
        """The shape of a vector, as its field has it."""
        return (width,)

    @property
    def source(self) -> str:
        """What reads it, in a `data` line."""
        return "table"

    def groups(self, apart: str | None = None) -> list[tuple[str, tuple[ColumnSummary, ...]]]:
        """Columns by the field that they make: `x0`, `x1`, ... the vector `x`, unless the column `apart` would be in it."""
        by_name = {each.name: each for each in self.columns}
        groups = group_columns([*by_name])
        alike = {
            field: len(names) == 1 or (apart not in names and _are_parts([by_name[name] for name in names]))
            for field, names in groups.items()
        }
        return [
            (field if alike[group] else name, tuple(by_name[each] for each in (names if alike[group] else [name])))
            for group, names in groups.items()
            for field, name in ([(group, "")] if alike[group] else [(name, name) for name in names])
        ]

    def fields(self) -> list[Field]:
        """What a spec can take of the table."""
        return [field for name, columns in self.groups() if (field := _field(name, columns)) is not None]

    def left_out(self) -> list[tuple[ColumnSummary, str]]:
        """The columns that no field takes, and why."""
        left = [columns for name, columns in self.groups() if _field(name, columns) is None]
        reasons = {column.name: why_not(column) or _with(columns) for columns in left for column in columns}
        return [(column, reasons[column.name]) for column in self.columns if column.name in reasons]


def summarise_tables(files: Sequence[Path], stated: Stated = AS_FOUND) -> TableSummary:
    """Every column of files together; `stated` is what a spec says of how they are written.

    They are gone through once, and again where their dates tell whether day or month is first in them, and nobody said it.

    Raises:
        MaiError: one is no table, or is damaged.
    """
    summary = _summary(files, stated)
    names = [each.name for each in summary.columns if each.like_date is not None and needs_order(each.like_date)]
    if stated.order is not None or not names:
        return summary
    telling = _telling_dates(open_tables(files, stated), names)
    said = "; ".join(said_of_order(telling))
    if len(telling) != 1:
        return replace(
            summary, notes=(*summary.notes, f"{files[0].name}: {few_of([f'`{name}`' for name in names])}: {said}")
        )
    order = next(iter(telling))
    summary = _summary(files, replace(stated, order=order))
    return replace(summary, order=order, notes=(*summary.notes, f"{files[0].name}: {said}"))


def _telling_dates(tables: Sequence[TableFile], names: Sequence[str]) -> dict[DateOrder, str]:
    """By what is first, the day or the month, the first date of some columns that tells it, and its row."""
    telling: dict[DateOrder, str] = {}
    for table in tables:
        first = 1
        for block in read_blocks(table, [table.columns[name] for name in names]):
            texts = [pc.utf8_trim_whitespace(decoded(array).cast(pa.string())) for array in block.values()]
            for each in (orders_of(text, partial(_row, first)) for text in texts):
                telling |= {order: date for order, date in each.items() if order not in telling}
            first += len(texts[0])
    return telling


def _row(first: int, place: int) -> str:
    return f"row {first + place:,}"


def _summary(files: Sequence[Path], stated: Stated) -> TableSummary:
    """Every column of files together, written as is stated. Raises `MaiError`."""
    tables = open_tables(files, stated)
    readers = {name: ColumnReader(name) for name in tables[0].columns}
    for table in tables:
        _read(table, readers)
    columns = tuple(reader.summary() for reader in readers.values())
    if not columns or not columns[0].rows:
        raise bad(f"{files[0]} needs a line of column names and at least one row")
    notes = dict.fromkeys(f"{table.path.name}: {note}" for table in tables for note in table.notes)
    notes |= {f"{files[0].name}: {note}": None for column in columns for note in notes_of_words(column)}
    usable = [column for column in columns if why_not(column) is None]
    notes |= {f"{files[0].name}: {note}": None for column in usable for note in _notes_of_signs(column)}
    said = ((column, words) for column in usable for words in (counted_dates(column), code_for_missing(column)))
    notes |= {f"{files[0].name}: `{column.name}`: {words}": None for column, words in said if words}
    if (alone := _alone_in_last_row(readers, columns)) is not None:
        notes[f"{files[-1].name}: {alone}"] = None
    totals = [column.name for column in columns if column.ends_in_total]
    if totals:
        notes[f"{files[-1].name}: {note_of_totals(totals)}"] = None
    return TableSummary(tuple(files), tables[0].kind, columns[0].rows, columns, tuple(notes))


def _alone_in_last_row(readers: Mapping[str, ColumnReader], columns: Sequence[ColumnSummary]) -> str | None:
    """What is to be said of a last row in which one word stands, and nothing in other columns; None where there is none."""
    there = [name for name, reader in readers.items() if reader.last.lower() not in MISSING]
    is_word = any(column.name in there and column.kind in ("word", "mixed") for column in columns)
    if len(there) != 1 or len(columns) < 3 or not is_word:
        return None
    return f"in the last row `{there[0]}` alone has a value, `{shortened(readers[there[0]].last)}`: a line of notes is no example"


def _notes_of_choices(column: ColumnSummary) -> Iterator[str]:
    """What is said of words that are lists of few choices, as `bus; bike`: each list would be a label of its own."""
    for sign in CHOICES:
        lists = [word for word in column.words if sign in word]
        choices = {part.strip() for word in column.words for part in word.split(sign)}
        if len(lists) > len(column.words) / 2 and len(choices) * 2 <= len(lists) and len(choices) > 1:
            yield f"`{column.name}` holds lists of {len(choices)} choices, as `{shortened(lists[0])}`, each of which is a label of its own: write a column of 0 and 1 for each choice"
            return


def _notes_of_signs(column: ColumnSummary) -> Iterator[str]:
    """What training says of numbers that stand with more than digits, as `45 %`."""
    if column.kind in ("number", "whole") and column.written:
        dressed = Dressed()
        dressed.see(column.written, ".")
        yield from dressed.notes(column.name)


def notes_of_words(column: ColumnSummary) -> Iterator[str]:
    """Notes on words that say that there is no value, or may say so, and on those that differ in capital letters alone where rows share words."""
    if column.kind == "mixed":
        yield from notes_of_spellings(column.name, column.words)
    if column.kind != "word":
        return
    yield from notes_of_spellings(column.name, column.words)
    if not holds_texts(column):
        yield from _notes_of_choices(column)
    yield from notes_of_lacking(column.name, column.lacking, column.words)
    alike: dict[str, list[str]] = {}
    for word in column.words if not column.is_identifier else ():
        alike.setdefault(word.casefold(), []).append(word)
    several = [words for words in alike.values() if len(words) > 1]
    if several:
        each = [f"{', '.join(f'`{word}`' for word in words[:-1])} and `{words[-1]}`" for words in several]
        total = sum(map(len, several))
        yield f"{few_of(each)} of `{column.name}` differ in capital letters alone, and are {COUNTS.get(total, str(total))} labels"


def holds_texts(column: ColumnSummary) -> bool:
    """Whether a column's words are texts, of which each row has one of its own."""
    return column.is_identifier and (column.letters > LETTERS_OF_TEXT or column.spaces >= SPACES_OF_TEXT)


def why_not(column: ColumnSummary) -> str | None:
    """Why no field takes a column, in one line; None where one can."""
    reason = _why_not(column)
    return None if reason is None else in_one_line(reason)


def _why_not(column: ColumnSummary) -> str | None:
    if column.kind == "empty":
        return "it is empty"
    if column.turns is not None:
        return "it holds conversations: `examples(...)` reads them as tokens"
    if column.like_date is not None:
        help = said_of_order({})[1] if needs_order(column.like_date) else HELP
        return f"what looks like dates, `{column.like_date}`, is read as words: {help}"
    if column.like_duration is not None:
        return f"it holds durations or times of day, as `{column.like_duration}`: {NO_DURATION}"
    if column.other_sign is not None:
        return f"its numbers, as `{column.other_sign}`, have another decimal sign than those of the table"
    if column.with_unit is not None:
        return f"its numbers stand with their unit, `{column.with_unit}`: write them without it"
    if column.two_units is not None:
        return f"it has {column.two_units}"
    if column.kind == "mixed" and column.odd is not None and column.lone_row is not None:
        last = ", the last" if column.lone_row == column.rows else ""
        return f"it holds numbers, and one word: `{column.odd[0]}` in row {column.lone_row:,}{last}"
    if column.kind == "mixed" and column.odd is not None:
        return f"it mixes words and numbers: `{column.odd[0]}`, `{column.odd[1]}`: leave a cell empty that has no value"
    if column.kind == "other":
        return f"its values are {column.others}: what is needed of them are columns of numbers or words"
    if column.kind == "list" and (column.width is None or column.width < 1):
        return "its lists differ in length"
    if column.numbers is not None and column.numbers.infinite:
        return f"it holds values that are not finite, the first in row {column.row_of_infinite or 0:,}: write a number there, or nothing"
    if _is_constant(column):
        return f"it is always {shortened(column.words[0])}"
    digits, dates = dates_in_digits(column), counted_dates(column)
    if digits is not None:
        return digits
    if column.is_numbering:
        return dates or "it numbers the rows"
    if column.is_rounded_off and dates is not None:
        return dates
    names = names_rows(column) if dates is None else None
    if names is not None and not (column.are_rising and column.is_rounded_off):
        return names
    if column.is_rounded_off:
        return "numbers of 32 bits do not tell its values apart: take off what they have in common"
    if holds_texts(column):
        return "it holds texts, not words: `examples(...)` reads them as tokens"
    if column.is_identifier:
        many = "nearly all" if column.distinct is None or column.distinct < column.rows - column.missing else "all"
        return f"{many} of its words differ: it names a row, and says nothing of others"
    return None


def _read(table: TableFile, readers: dict[str, ColumnReader]) -> None:
    for reader in readers.values():
        reader.decimal, reader.order = table.dialect.decimal, table.dialect.order
    for name in readers:
        if name not in table.columns:
            raise bad(f"{table.path} has no column `{name}`; it has {few_of(table.columns)}")
    for block in read_blocks(table, [table.columns[name] for name in readers]):
        for name, reader in readers.items():
            reader.add(without(block[table.columns[name]], table.dialect.absent.of(name)))


def _are_parts(columns: Sequence[ColumnSummary]) -> bool:
    """Whether columns can be one vector."""
    return all(each.kind in ("number", "whole") for each in columns)


def varied(columns: Sequence[ColumnSummary]) -> list[ColumnSummary]:
    """The columns of a field that decide whether there is one: in a vector, some may always be the same, as corners of pictures are."""
    return [each for each in columns if not _is_constant(each)] or [*columns]


def _is_constant(column: ColumnSummary) -> bool:
    return column.distinct == 1 and not column.missing and column.rows > 1


def _with(columns: Sequence[ColumnSummary]) -> str:
    """Why columns of a vector are left out that could be taken alone."""
    return f"it is of one vector with `{next(each.name for each in varied(columns) if why_not(each))}`"


def _field(name: str, columns: tuple[ColumnSummary, ...]) -> Field | None:
    if any(why_not(each) for each in varied(columns)):
        return None
    first = columns[0]
    if len(columns) > 1 or first.kind == "list":
        return Field(name, f"[{first.width if first.kind == 'list' else len(columns)}]", columns)
    if first.kind in NUMBERS:
        return Field(name, "[]", columns)
    return Field(name, f"class[{(first.distinct or 0) + bool(first.missing)}]", columns)
