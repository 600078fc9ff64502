"""Dates and times in texts: the forms that are read, and those that people write besides, of which nobody can say what is the month."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import bad
from mai.compiler.data.files.arrow_types import lacks_values
from mai.compiler.data.tables.numerals import Decimal, number_of
from mai.runtime.inputs.counted_dates import TrainedDates, refusal_of
from mai.runtime.inputs.dates import FORMS

DAY = "1970-01-01"
KINDS = ((pa.timestamp("us"), DAY), (pa.timestamp("us", "UTC"), f"{DAY}T00:00Z"))
LIKE_A_DATE = (
    r"^(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}/\d{1,2}/\d{2}|\d{2}\.\d{2}\.\d{2}|\d{1,2}[-. ]{1,2}[A-Za-z]{3,9}[-., ]{1,2}\d{2,4}"
    r"|[A-Za-z]{3,9}\.? \d{1,2},? \d{4})(?:$|[ T,])"
)
LIKE_A_DURATION = r"^(?:-?(?:\d+ days?,? )?\d{1,3}:\d{2}(?::\d{2}(?:[.,]\d+)?)?|-?P(?:\d+[DW])?(?:T(?:[\d.]+[HMS])+)?)$"
NO_DURATION = "write durations, and times of day, as numbers of one unit, as minutes"
HELP = "write dates as 2024-03-14, 2024-03-14 09:30:00 or 14.03.2024, with an offset, +02:00, all or none"


def moments_of(text: pa.Array) -> pa.Array | None:
    """Texts that are dates as times, missing where they say that there is none, in UTC where they have offsets from it; None where some are neither."""
    for form, instead in FORMS:
        text = pc.replace_substring_regex(text, form, instead)
    lacking = lacks_values(text)
    for kind, usual in KINDS:
        try:
            return pc.if_else(lacking, pa.scalar(None, kind), pc.if_else(lacking, usual, text).cast(kind))
        except pa.ArrowInvalid:
            continue
    return None


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


def ways_of(text: pa.Array, decimal: Decimal) -> dict[int, pa.DataType | None]:
    """By its place, as what each text that says something has a place in time: a number, a date, or one with an offset; None for a word."""
    cells = zip(text.to_pylist(), lacks_values(text).to_pylist(), strict=True)
    return {place: _way_of(cell, decimal) for place, (cell, is_lacking) in enumerate(cells) if not is_lacking}


def _way_of(cell: str, decimal: Decimal) -> pa.DataType | None:
    if number_of(cell, decimal) is not None:
        return pa.float64()
    moments = moments_of(pa.array([cell]))
    return None if moments is None else moments.type


class DatesOrNumbers:
    """Whether the rows of a column of real numbers are dates, or numbers: not some of each, and no numbers that are no days near the dates `expected`."""

    def __init__(self, name: str) -> None:
        self.expected: TrainedDates | None = None
        self._name = name
        self._number = self._date = ""

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

    def no_number(self, word: str) -> tuple[str, str | None]:
        """Why a word is no number of the column, and what to write, where it is or ought to be a date."""
        if like_dates(pa.array([word]))[0].as_py():
            return ": it looks like a date, and is in no form that dates are read in", HELP
        if like_durations(pa.array([word]))[0].as_py():
            return ": it looks like a duration, or a time of day", NO_DURATION
        return (
            (" among dates", HELP) if self._date or self.expected is not None else (", the spec has real numbers", None)
        )

    def _refuse_both(self) -> None:
        if self._number and self._date:
            raise bad(f"column `{self._name}` mixes dates and numbers: {self._date}, {self._number}", help=HELP)


def _first(array: pa.Array, where: Callable[[int], str]) -> str:
    """The first value that is there, and where it stands; nothing where there is none."""
    place = pc.index(array.is_valid(), True).as_py()
    return "" if place < 0 else f"`{array[place]}` in {where(place)}"
