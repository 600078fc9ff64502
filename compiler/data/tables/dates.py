"""Dates and times in texts: the forms that are read, and those of which somebody has to say whether day or month is first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import bad
from mai.compiler.data.files.arrow_types import lacks_values
from mai.compiler.data.tables.numerals import Decimal, number_of
from mai.runtime.inputs.counted_dates import TrainedDates, refusal_of
from mai.runtime.inputs.dates import LETTERS, YEARS_IN_WORDS, forms_of
from mai.runtime.model.manifest import DateOrder

DAY, OR_WRITE = "1970-01-01", "or write dates as 2024-03-14"
KINDS = ((pa.timestamp("us"), DAY), (pa.timestamp("us", "UTC"), f"{DAY}T00:00Z"))
LIKE_A_DATE = (
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}/\d{1,2}/\d{2}|\d{2}\.\d{2}\.\d{2}|\d{1,2}[-. ]{1,2}[A-Za-z]{3,9}[-., ]{1,2}\d{2,4}"
    r"|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}|(?:19|20)\d{2}-(?:0[1-9]|1[0-2])|\d{4}-?W\d{1,2}(?:-\d)?|\d{4}[-/ ]?Q[1-4]|Q[1-4][-/ ]?\d{4})(?:$|[ T,])"
)
LIKE_A_DURATION = r"^(?:-?(?:\d+ days?,? )?\d{1,3}:\d{2}(?::\d{2}(?:[.,]\d+)?)?|-?P(?:\d+[DW])?(?:T(?:[\d.]+[HMS])+)?)$"
NO_DURATION = "write durations, and times of day, as numbers of one unit, as minutes"
# Dates in numbers alone that tell by themselves which is first; `24/03/14` does not, whose year may be first.
FIRST = r"(?:0?[1-9]|1[0-2])"
OVER, NO_DAY = r"(?:1[3-9]|2\d|3[01])", r"(?:3[2-9]|[4-9]\d)"
TELLING: Mapping[DateOrder, str] = {
    "day_first": rf"^{OVER}(?:[-/]{FIRST}[-/](?:\d{{4}}|{NO_DAY})|\.{FIRST}\.{NO_DAY})(?:$|[ T,])",
    "month_first": rf"^{FIRST}[-/]{OVER}[-/](?:\d{{4}}|\d{{2}})(?:$|[ T,])",
}
NEEDS_ORDER = r"^\d{1,2}(?:[-/]\d{1,2}[-/](?:\d{4}|\d{2})|\.\d{1,2}\.\d{2})(?:$|[ T,])"
IN_WORDS: Mapping[DateOrder, str] = {"day_first": "the day first", "month_first": "the month first"}
SHORT_YEAR = r"^(?:\d{1,2}[-/.]\d{1,2}[-/.]|\d{1,2}[-. ]{1,2}[A-Za-z]{3,9}[-., ]{1,2})\d{2}(?:$|[ T,])"
HELP = "write dates as 2024-03-14, 2024-03-14 09:30:00 or 14.03.2024, with an offset, +02:00, all or none; months, weeks and quarters as their first day"


def moments_of(text: pa.Array, order: DateOrder | None) -> pa.Array | None:
    """Texts that are dates as times, missing where they say that there is none, in UTC where they have offsets from it; None where some are neither.

    `order` says which is first in dates in numbers: the day or the month. Without it these are none, but for `14.03.2024`.
    """
    lacking = lacks_values(text)
    first = pc.index(lacking, False).as_py()
    if first >= 0 and _as_moments(text.slice(first, 1), lacking.slice(first, 1), order) is None:
        return None  # Words, which need not go through all the forms.
    return _as_moments(text, lacking, order)


def _as_moments(text: pa.Array, lacking: pa.Array, order: DateOrder | None) -> pa.Array | None:
    has_letters = pc.any(pc.match_substring_regex(text, LETTERS.pattern)).as_py() is True
    for form, instead in forms_of(order, has_letters):
        text = pc.replace_substring_regex(text, form, instead)
    for kind, usual in KINDS:
        try:
            return pc.if_else(lacking, pa.scalar(None, kind), pc.if_else(lacking, usual, text).cast(kind))
        except pa.ArrowInvalid:
            continue
    return None


def orders_of(text: pa.Array, where: Callable[[int], str]) -> dict[DateOrder, str]:
    """By what is first in them, day or month, the first of some texts that tells it, as one of the two is above 12, and `where` it stands."""
    places = {order: pc.index(pc.match_substring_regex(text, form), True).as_py() for order, form in TELLING.items()}
    return {order: f"`{text[place]}` in {where(place)}" for order, place in places.items() if place >= 0}


def needs_order(word: str) -> bool:
    """Whether a text is a date of which nobody knows what is first, the day or the month, unless it is said."""
    return bool(pc.match_substring_regex(pa.array([word]), NEEDS_ORDER)[0].as_py())


def said_of_order(telling: Mapping[DateOrder, str]) -> tuple[str, str]:
    """What texts tell of the order of their dates, and what to do: nothing, one order, or both, so that none fits all."""
    each = " and ".join(f"{word} has {IN_WORDS[order]}" for order, word in telling.items())
    if len(telling) == 1:
        return each, f"say `dates = {next(iter(telling))}` of the table, {OR_WRITE}"
    if telling:
        return f"no order fits all of its dates: {each}", f"correct them, {OR_WRITE}"
    help = f"say `dates = day_first` or `dates = month_first` of the table, {OR_WRITE}"
    return "it is a date of which nothing tells whether the day or the month is first", help


def days_of(moments: pa.Array) -> pa.Array:
    """Times as days since 1970-01-01, with parts of days, in 64 bits."""
    microseconds = moments.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    return pc.divide(microseconds.cast(pa.float64(), safe=False), 24 * 3600 * 1e6)


def notes_of_dates(column: str, are_dates: bool, are_times: bool, in_utc: bool) -> Iterator[str]:
    """What is said of a column that holds dates, some of them with a time, or with an offset."""
    if are_dates:
        times = ", and times are rounded to some 3 minutes, as numbers of 32 bits are" if are_times else ""
        yield f"column `{column}` holds dates: they are days since 1970-01-01{times}"
    if in_utc:
        yield f"column `{column}`: times with an offset, as `+02:00`, are read in UTC, and so are their hours"


def like_dates(text: pa.Array) -> pa.Array:
    """Whether each of some texts looks like a date, in a form that is read or in another."""
    return pc.match_substring_regex(text, LIKE_A_DATE)


def like_durations(text: pa.Array) -> pa.Array:
    """Whether each of some texts looks like a duration or a time of day: `9:46:57`, `PT1H30M`."""
    return pc.match_substring_regex(text, LIKE_A_DURATION)


def is_in_utc(kind: pa.DataType) -> bool:
    """Whether values of Arrow's type are times in UTC, and not in the time of some place that is not said."""
    return bool(pa.types.is_timestamp(kind) and kind.tz is not None)


def ways_of(text: pa.Array, decimal: Decimal, order: DateOrder | None) -> dict[int, pa.DataType | None]:
    """By its place, as what each text that says something has a place in time: a number, a date, or one with an offset; None for a word."""
    cells = zip(text.to_pylist(), lacks_values(text).to_pylist(), strict=True)
    return {place: _way_of(cell, decimal, order) for place, (cell, is_lacking) in enumerate(cells) if not is_lacking}


def _way_of(cell: str, decimal: Decimal, order: DateOrder | None) -> pa.DataType | None:
    if number_of(cell, decimal) is not None:
        return pa.float64()
    moments = moments_of(pa.array([cell]), order)
    return None if moments is None else moments.type


class DatesOrNumbers:
    """Whether the rows of a column of real numbers are dates, or numbers: not some of each, and no numbers that are no days near the dates `expected`."""

    def __init__(self, name: str) -> None:
        self.expected: TrainedDates | None = None
        self.order: DateOrder | None = None
        self.short_year = ""
        self._name = name
        self._number = self._date = ""

    def moments(self, text: pa.Array) -> pa.Array | None:
        """Texts as `moments_of` reads them; the first with a year of two digits is noted."""
        moments = moments_of(text, self.order)
        if moments is not None and not self.short_year:
            short = text.filter(pc.match_substring_regex(text, SHORT_YEAR))
            self.short_year = short[0].as_py() if len(short) else ""
        return moments

    def notes(self) -> Iterator[str]:
        """What is said of dates that are written with less than all of their year."""
        if self.short_year:
            yield f"column `{self._name}`: {YEARS_IN_WORDS}, as in `{self.short_year}`"

    def take_numbers(self, array: pa.Array, where: Callable[[int], str]) -> None:
        """Take rows that are numbers; `where` says in which row and file a place is. Raises `MaiError`."""
        self._number = self._number or _first(array, where)
        self._refuse_both()
        if self.expected is None:
            return
        numbers = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        refusal = refusal_of(self._name, self.expected, numbers)
        if refusal is not None:
            raise bad(f"{where(refusal.place)}: {refusal.message}", help=refusal.help)

    def take_dates(self, array: pa.Array, where: Callable[[int], str]) -> None:
        """Take rows that are dates, as moments. Raises `MaiError`."""
        self._date = self._date or _first(array, where)
        self._refuse_both()

    def no_number(self, word: str, text: pa.Array, where: Callable[[int], str]) -> tuple[str, str | None]:
        """Why a word is no number of the column whose cells are a text, which stand `where`, and what to write, where it is or ought to be a date."""
        if like_dates(pa.array([word]))[0].as_py():
            return self._no_date(word, text, where)
        if like_durations(pa.array([word]))[0].as_py():
            return ": it looks like a duration, or a time of day", NO_DURATION
        return (
            (" among dates", HELP) if self._date or self.expected is not None else (", the spec has real numbers", None)
        )

    def _no_date(self, word: str, text: pa.Array, where: Callable[[int], str]) -> tuple[str, str]:
        """Why what looks like a date is none, and what to say or write."""
        if not needs_order(word) or (self.order is None and self.expected is not None):
            return ": it looks like a date, and is in no form that dates are read in", HELP
        if self.order is not None:
            return f": it is no date with {IN_WORDS[self.order]}, as `dates = {self.order}` says", HELP
        why, help = said_of_order(orders_of(text, where))
        return f": {why}", help

    def _refuse_both(self) -> None:
        if self._number and self._date:
            raise bad(f"column `{self._name}` mixes dates and numbers: {self._date}, {self._number}", help=HELP)


def _first(array: pa.Array, where: Callable[[int], str]) -> str:
    """The first value that is there, and where it stands; nothing where there is none."""
    place = pc.index(array.is_valid(), True).as_py()
    return "" if place < 0 else f"`{array[place]}` in {where(place)}"
