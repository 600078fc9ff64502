"""The values of one column as numbers: which are whole, which are words, which are missing, and in which row what does not fit stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import EXACT, NO_LABEL, bad
from mai.compiler.data.files.arrow_types import (
    as_names,
    decoded,
    first_code,
    is_list,
    is_text,
    lacks_values,
    numbers_or_truths,
    plain_numbers,
    without,
)
from mai.compiler.data.tables.dates import HELP, DatesOrNumbers, days_of, is_in_utc, notes_of_dates, ways_of
from mai.compiler.data.tables.numerals import NAMES, OTHER, Decimal, Dressed, is_word, number_of
from mai.compiler.data.tables.signs import UnitSigns
from mai.compiler.data.totals import LastOfColumn, Rounding
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import LACKING, MISSING, notes_of_lacking
from mai.spec.diagnostics import MaiError

if TYPE_CHECKING:
    from mai.compiler.data.tables.files import TableFile

Missing = Literal["refuse", "keep", "drop"]
Role = Literal["real", "label", "any", "key", "time"]
WORDS, NUMBERS = True, False


class Column:
    """One column while its files are read, block by block.

    A `real` one holds numbers, a `label` whole numbers or words, `any` numbers or words, a `key` what is only compared, and a `time`
    what has an order. Words are the numbers of their `names`, which are in the order of their first rows. `field` is what a spec
    calls the column, which may be one part of a vector. A label that is `named` holds words, also where they look like numbers. A word of those
    that it `keeps` is one, also where it says elsewhere that there is no value. What is `missing` becomes NaN, -1 where it would be a word,
    `NO_LABEL` where a label is a number; `gaps` says where, in the rows that were read last; `kinds` refuses numbers among dates.
    """

    def __init__(
        self, name: str, role: Role, field: str, is_part: bool = False, named: bool = False, keeps: Collection[str] = ()
    ) -> None:
        self.name, self.role, self.field, self.is_part = name, role, field, is_part
        self.named, self._keeps, self._lacking = named, keeps, LACKING
        self.gaps: Array | None = None
        self.are_dates = self.are_times = False
        self.in_utc: bool | None = None
        self.dressed, self.code = Dressed(), ""
        self._rounding = Rounding()
        self.kinds, self.percents = DatesOrNumbers(name), UnitSigns(name)
        self.names, self.lacking_words = dict[str, int](), dict[str, None]()
        self.are_words: bool | None = None
        self.missing, self.row, self.last = 0, 0, LastOfColumn()
        self._path, self._first_missing, self._width = "", "", 1
        self._decimal: Decimal = "."
        self._absent: tuple[str, ...] = ()
        self._seen: dict[bool, str] = {}

    def start(self, table: TableFile) -> None:
        """Go on with the first row of another file."""
        self._path, self._decimal = str(table.path), table.dialect.decimal
        self._absent = table.dialect.absent.of(self.field)
        self.kinds.order = table.dialect.order
        self.missing, self.row, self._seen = 0, 0, {}
        self.last = LastOfColumn()

    @property
    def _number_of_gaps(self) -> float:
        """What stands for a cell without a value."""
        if self.are_words:
            return -1
        return np.nan if self.role in ("real", "any") else NO_LABEL

    def read(self, values: pa.Array) -> Array:
        """The next rows, [n, ...]: real in 32 bits (64 where `any` is), whole in 64. Raises `MaiError`."""
        self.gaps = None
        array, shape = self._without_lists(without(values, self._absent))
        numbers = self._numbers_of(array)
        if self.gaps is not None:
            numbers = np.where(self.gaps, self._number_of_gaps, numbers)
            numbers = numbers.astype(np.float32) if self.role == "real" else numbers
            self.gaps = self.gaps.reshape(len(values), -1).any(1)
        self.row += len(values)
        if self.role == "real" and not shape:
            self.last.add(numbers)
        return numbers.reshape(len(values), *shape)

    @property
    def has_gaps(self) -> bool:
        """Whether something stands for what is missing: NaN for a number, -1 for a word, `NO_LABEL` for a label that is a number."""
        return self.role in ("real", "label")

    def lacks(self) -> str:
        """Which rows of the file have no value, in words."""
        more = self.missing - 1
        return f"column `{self.name}` is empty in {self._first_missing}" + (f" and in {more:,} more" if more else "")

    def notes(self) -> Iterator[str]:
        """What was found in the rows, in words."""
        yield from notes_of_dates(self.name, self.are_dates, self.are_times, bool(self.in_utc))
        yield from self.kinds.notes()
        yield from self.dressed.notes(self.name)
        if self.code:
            names = f"`words = {self.field}`" if self.role == "label" else "a field of labels, in `words`,"
            yield f"column `{self.name}`: `{self.code}` is read as the number {int(self.code)} ({names} has names)"
        labels = self.names.keys() - self._keeps if self.role == "label" else ()
        yield from notes_of_lacking(self.name, [*self.lacking_words], sorted(labels))
        yield from self._rounding.notes(self.name)

    def _without_lists(self, values: pa.Array) -> tuple[pa.Array, tuple[int, ...]]:
        """The numbers in lists one after the other, and the shape of one row's; a dictionary's values themselves."""
        shape: tuple[int, ...] = ()
        self._width = 1
        while is_list(values.type):
            if values.null_count:
                self._note_missing(values.is_null())
                raise bad(f"{self._path}: {self.lacks()}")
            lengths = pc.list_value_length(values)
            widths = lengths.unique().to_pylist() or [0]
            if len(widths) > 1:
                where = self._at(pc.index(lengths, widths[1]).as_py())
                raise self._wrong(f"has lists of {widths[0]} and of {widths[1]} values, the second in {where}")
            values, shape = values.flatten(), (*shape, widths[0])
            self._width *= widths[0]
        return decoded(values), shape

    def _numbers_of(self, array: pa.Array) -> Array:
        kind = array.type
        if pa.types.is_null(kind):
            return self._numbers(array.cast(pa.float64()))
        if is_text(kind):
            return self._text(pc.utf8_trim_whitespace(array.cast(pa.string())))
        if self.role == "key" or self.named:
            return self._codes(as_names(array))
        if pa.types.is_temporal(kind) and self.role == "time":
            return self._times(array)
        if self.role == "real" and (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
            return self._numbers(self._days(array))
        if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
            array = array.cast(pa.float64())
            self._take(array, array, are_plain=True)
            return self._numbers(array)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            self._become(NUMBERS, array, 0)
            self._take(array, array, are_plain=True)
            return self._numbers(array)
        what = "dates or times" if pa.types.is_temporal(kind) else f"values of the kind {kind}"
        raise self._wrong(f"holds {what}, the spec has numbers", "keep what the model needs of them as numbers")

    def _numbers(self, array: pa.Array, text: pa.Array | None = None) -> Array:
        """Arrow's numbers as numpy's; one that is not a number is missing."""
        if array.null_count:
            self._note_missing(array.is_null(), text)
            array = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
        numbers: Array = array.to_numpy(zero_copy_only=False)
        if numbers.dtype.kind == "f" and np.isnan(numbers).any():
            self._note_missing(pa.array(np.isnan(numbers)), text)
            numbers = np.where(np.isnan(numbers), 0, numbers)
        if self.role == "label":
            return self._whole(numbers)
        return self._real(numbers) if self.role == "real" else numbers.astype(np.float64)

    def _take(self, numbers: pa.Array, cells: pa.Array, are_plain: bool) -> None:
        """Look at the next numbers, and at the cells that they stand in, which may have signs unless they `are_plain`. Raises `MaiError`."""
        self.kinds.take_numbers(numbers, self._in_file)
        self.percents.take_one_way(cells, self._in_file, are_plain)

    def _real(self, numbers: Array) -> Array:
        with np.errstate(over="ignore"):
            real = numbers.astype(np.float32)
        if numbers.dtype.kind == "f" and not np.isfinite(real).all():
            place = int(np.argmin(np.isfinite(real)))
            raise self._wrong(f"holds values that are not finite: {numbers[place]:g} in {self._at(place)}")
        self._rounding.add(numbers if self.gaps is None else numbers[~self.gaps])
        return real

    def _whole(self, numbers: Array) -> Array:
        if numbers.dtype.kind == "f":
            fractions = ~np.isfinite(numbers) | (numbers != np.floor(numbers))
            if fractions.any():
                place = int(np.argmax(fractions))
                where = f"{numbers[place]:g} in {self._at(place)}"
                raise self._wrong(f"holds fractions, the spec has whole numbers: {where}")
            if numbers.size and np.abs(numbers).max() >= EXACT:
                place = int(np.argmax(np.abs(numbers)))
                raise self._wrong(f"holds {numbers[place]:g}, too large for a whole number, in {self._at(place)}")
        return numbers.astype(np.int64)

    # ------------------------------------------------------------ text

    def _text(self, text: pa.Array) -> Array:
        if self.named:
            self._become(WORDS, text, 0)
            if self._hold_numbers(text.unique().to_pylist()):
                self._lacking = MISSING
            return self._codes(as_names(text))
        if self.role == "key":
            return self._codes(text)
        if self.role == "time":
            return self._times_of(text)
        if self.role == "real" or not self._holds_words(text):
            return self._numbers(self._parsed(text), text)
        return self._codes(text)

    def _holds_words(self, text: pa.Array) -> bool:
        """Whether no text is a finite number, and one is a word: `none` is one where there are no numbers, `inf` beside words."""
        texts = [word for word in text.unique().to_pylist() if word and not self._is_lacking(word)]
        if self._hold_numbers(texts):
            return False
        words = [word for word in texts if self._float(word) is None]
        if not (words or self.are_words) or (self.are_words is False and {w.lower() for w in words} <= MISSING):
            return False
        if words:
            self._become(WORDS, text, pc.index(text, words[0]).as_py())
        return True

    def _hold_numbers(self, texts: Sequence[str | None]) -> bool:
        """Whether one of some texts is a finite number."""
        return any((number := self._float(text)) is not None and np.isfinite(number) for text in texts)

    def _parsed(self, text: pa.Array) -> pa.Array:
        """Texts as numbers; one that says that there is none is null. Raises `MaiError` for words."""
        self.code = self.code or first_code(text)
        numbers = (numbers_or_truths if self.role == "real" else plain_numbers)(text, self._decimal)
        if numbers is None:
            return self._parsed_slowly(text)
        self._become(NUMBERS, text, 0)
        self._take(numbers, text, are_plain=True)
        return numbers

    def _parsed_slowly(self, text: pa.Array) -> pa.Array:
        numbers = [self._float(cell) for cell in text.to_pylist()]
        kinds = [is_word(cell, number) for cell, number in zip(text.to_pylist(), numbers, strict=True)]
        if WORDS in kinds and self.role == "real":
            moments = self.kinds.moments(text)
            if moments is not None:
                return self._days(moments)
            self._refuse_two_ways(text)
            self._refuse_other_sign(text.to_pylist(), kinds)
        for kind in (NUMBERS, WORDS):
            if kind in kinds:
                self._become(kind, text, kinds.index(kind))
        if WORDS in kinds:
            raise self._words_for_numbers(text, [place for place, kind in enumerate(kinds) if kind is WORDS])
        array = pa.array(numbers, pa.float64())
        self._take(array, text, are_plain=False)
        return array

    def _words_for_numbers(self, text: pa.Array, places: Sequence[int]) -> MaiError:
        """What is wrong with words at some places: where some are dates, the first that is none."""
        place = next((place for place in places if self.kinds.moments(text.slice(place, 1)) is None), places[0])
        what = f"`{self.name}`, a part of `{self.field}`," if self.is_part else f"`{self.field}`"
        column = f", column `{self.name}`" if self.name != self.field and not self.is_part else ""
        why, help = self.kinds.no_number(text[place].as_py(), text, self._at)
        return bad(f"{self._in_file(place)}{column}: {what} holds words (`{str(text[place])[:60]}`){why}", help=help)

    def _refuse_other_sign(self, cells: list[str], kinds: list[bool | None]) -> None:
        """Raise `MaiError` where a cell is a number with the other decimal sign alone."""
        sign, other = self._decimal, OTHER[self._decimal]
        for place, (cell, kind) in enumerate(zip(cells, kinds, strict=True)):
            if kind is WORDS and number_of(cell, other) is not None:
                where = f"`{cell[:60]}` in {self._at(place)}, numbers here have {NAMES[sign]}"
                help = f'one sign stands before decimals, the other separates thousands: in a spec, `decimal = "{other}"` says which'
                raise self._wrong(f"holds {where}", help)

    def _float(self, cell: str | None) -> float | None:
        text = cell or ""
        number = number_of(text, self._decimal, plain=self.role != "real")
        if number is not None:
            self.dressed.see(text, self._decimal)
        return number

    def _codes(self, text: pa.Array) -> Array:
        """Words as the numbers of their names."""
        texts = text.fill_null("").dictionary_encode()
        words = texts.dictionary.to_pylist()
        lacking = {word: self._is_lacking(word) for word in words}
        if any(lacking.values()):
            self.lacking_words |= dict.fromkeys(word for word in words if word and lacking[word])
            self._note_missing(pc.is_in(text.fill_null(""), value_set=pa.array([w for w in words if lacking[w]])), text)
        numbers = [-1 if lacking[word] else self.names.setdefault(word, len(self.names)) for word in words]
        codes: Array = np.array(numbers, np.int64)[texts.indices.to_numpy(zero_copy_only=False)]
        return codes

    def _is_lacking(self, word: str) -> bool:
        """Whether a word says that there is no value; a key, which is only compared, may be any."""
        return not word or (self.role != "key" and word.lower() in self._lacking and word not in self._keeps)

    # ------------------------------------------------------------ times

    def _times(self, array: pa.Array) -> Array:
        """Times as whole microseconds."""
        self._note_zone(array)
        if array.null_count:
            self._note_missing(array.is_null())
        if not (pa.types.is_time(array.type) or pa.types.is_duration(array.type)):
            array = array.cast(pa.timestamp("us"), safe=False)
        times: Array = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        return times

    def _days(self, array: pa.Array) -> pa.Array:
        """Times as days since 1970-01-01, with parts of days."""
        self.kinds.take_dates(array, self._in_file)
        self._note_zone(array)
        self.are_dates, days = True, days_of(array)
        self.are_times = self.are_times or bool(pc.any(pc.not_equal(days, pc.floor(days))).as_py())
        return days

    def _note_zone(self, array: pa.Array) -> None:
        """Note whether times are in UTC. Raises `MaiError` where some are and others are of some place that is not said."""
        if array.null_count == len(array):
            return
        in_utc = is_in_utc(array.type)
        if self.in_utc not in (None, in_utc):
            what = "with and without" if in_utc else "without and with"
            raise self._wrong(f"has times {what} an offset from UTC, the first of these in or after {self._at(0)}")
        self.in_utc = in_utc

    def _times_of(self, text: pa.Array) -> Array:
        """Texts as numbers, or as microseconds where they are dates."""
        moments = self.kinds.moments(text)
        if moments is not None:
            return self._times(moments)
        there = pc.if_else(lacks_values(text), pa.scalar(None, pa.string()), text)
        numbers = plain_numbers(there, self._decimal)
        if numbers is None:
            numbers = pa.array([None if cell is None else number_of(cell, self._decimal) for cell in there.to_pylist()])
        if numbers.null_count == there.null_count:
            return self._numbers(numbers.cast(pa.float64()), text)
        raise self._no_times(text)

    def _no_times(self, text: pa.Array) -> MaiError:
        """What is wrong with texts that are not all times, or not in one way."""
        ways = ways_of(text, self._decimal, self.kinds.order)
        usual = next(iter(ways.values()))
        place = next((place for place, way in ways.items() if way is None), None)
        what = "which has no place in time"
        if place is None:
            place = next(place for place, way in ways.items() if way != usual)
            what = f"which is written in another way than `{text[next(iter(ways))]}`"
        help = self.kinds.no_number(text[place].as_py(), text, self._at)[1] if ways[place] is None else None
        help = help or f"{HELP}, or numbers: all in one of these ways"
        return self._wrong(f"holds `{str(text[place])[:60]}` in {self._at(place)}, {what}", help)

    def _refuse_two_ways(self, text: pa.Array) -> None:
        """Raise `MaiError` where all texts are dates, some with an offset from UTC and some without."""
        ways = {*ways_of(text, self._decimal, self.kinds.order).values()}
        if len(ways) > 1 and all(way is not None and pa.types.is_timestamp(way) for way in ways):
            raise self._no_times(text)

    # ------------------------------------------------------------ what is wrong

    def _become(self, are_words: bool, array: pa.Array, place: int) -> None:
        """Note that the column holds words or numbers, `place` being one. Raises `MaiError` where it holds both."""
        if not len(array):
            return
        self._seen.setdefault(are_words, f"`{str(array[place])[:60]}` in {self._at(place)}")
        if len(self._seen) == 2:
            both = f"column `{self.name}` mixes words and numbers: {self._seen[WORDS]}, {self._seen[NUMBERS]}"
            raise bad(f"{self._path}: {both}")
        if are_words and self.is_part:
            raise bad(f"{self._path}: column `{self.name}`, a part of a vector, holds words: {self._seen[WORDS]}")
        if self.are_words is None:
            self.are_words = are_words
        if self.are_words != are_words:
            raise self._wrong("is words in one of the files, and numbers in another")

    def _note_missing(self, missing: pa.Array, text: pa.Array | None = None) -> None:
        gaps = missing.to_numpy(zero_copy_only=False)
        self.gaps = gaps if self.gaps is None else self.gaps | gaps
        if not self.missing:
            place = pc.index(missing, True).as_py()
            said = str(text[place]) if text is not None and text[place].is_valid else ""
            self._first_missing = self._at(place) + (f" (`{said}`)" if said else "")
        self.missing += missing.true_count

    def _wrong(self, message: str, help: str | None = None) -> MaiError:
        return bad(f"{self._path}: `{self.name}` {message}", help=help)

    def _in_file(self, place: int) -> str:
        return f"{self._path}, {self._at(place)}"

    def _at(self, place: int) -> str:
        return f"row {self.row + place // max(1, self._width) + 1}"
