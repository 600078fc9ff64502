"""Dates in the place of numbers: days since 1970-01-01, with parts of days, as training has read them in tables."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, get_args

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import lacks_error
from mai.runtime.inputs.cells import MISSING, is_missing, is_number
from mai.runtime.inputs.counted_dates import EPOCH, EXAMPLES, IN_WORDS, TrainedDates, refusal_of
from mai.runtime.inputs.labels import warn_of, words_with_counts
from mai.runtime.model.manifest import DateForm, DateOrder, Facts, Manifest, Port

# What is read, and what ISO 8601 writes for it: 14.03.2024 has its day before its month wherever it is written.
ALWAYS = (
    (r"^(\d{4})/(\d{2})/(\d{2})\b", r"\1-\2-\3"),
    (r"^(\d{1,2})\.(\d{1,2})\.(\d{4})\b", r"\3-\2-\1"),
    (r"^(\d{4})-(\d)-", r"\1-0\2-"),
    (r"^(\d{4}-\d{2})-(\d)\b", r"\1-0\2"),
    (r"^(\d{4}-\d{2}-\d{2})[ T](\d:)", r"\1T0\2"),
)
# A year, and the digits before it: those of two digits are 1969 to 2068, as in POSIX.
YEARS = ((r"(\d{4})", ""), (r"(69|[7-9]\d)", "19"), (r"([0-6]\d)", "20"))
MONTHS = ("jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?", "aug(?:ust)?", "sept?(?:ember)?",
          "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?")  # fmt: skip
MOMENT, CLOCK = r"^(\d{4}-\d{2}-\d{2})[ T]", r"(:\d{2}(?::\d{2}(?:\.\d+)?)?) ?"
MORNING, EVENING = r"(?i:a\.?m\.?)$", r"(?i:p\.?m\.?)$"
SEPARATORS: Mapping[DateOrder, str] = {"day_first": "/-.", "month_first": "/-"}
PLACES: Mapping[DateOrder, str] = {"day_first": r"\3-\2-\1", "month_first": r"\3-\1-\2"}
LETTERS = re.compile(r"[A-Za-z][A-Za-z.]")
YEARS_IN_WORDS = "years of two digits are 1969 to 2068"
WORD = re.compile(r"[^\[\],]+|^$")
ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:$|[ T])")
MICROSECOND, A_DAY = timedelta(microseconds=1), 86_400e6
MOST_DAYS = 100_000  # Of a range.
MAX_SHOWN = 60  # Characters of a wrong value that a message repeats.


def date_form(manifest: Manifest, port: Port) -> DateForm | None:
    """How the numbers of an input are written as dates, where all of them were dates in the data; None where they are numbers."""
    facts = manifest.facts.get(port.name) if port.kind == "input" else None
    return None if facts is None else form_of(facts)


def dates_of(manifest: Manifest, port: Port) -> TrainedDates | None:
    """How the numbers of an input are written as dates, and of what time those of the data were; None where they are numbers."""
    form = date_form(manifest, port)
    if form is None:
        return None
    facts = manifest.facts[port.name]
    return TrainedDates(form, min(facts.low), max(facts.high), facts.order)


def form_of(facts: Facts) -> DateForm | None:
    """How the numbers of a field are written as dates; None where not all of them were dates."""
    forms = {*(facts.dates or ())}
    return None if not forms or None in forms else max((f for f in forms if f), key=get_args(DateForm).index)


class Moments(np.ndarray[Any, np.dtype[np.datetime64]]):
    """Numpy's dates that were days: what is to be said of them has been said."""


def as_days(port: Port, dates: TrainedDates, value: Any, far: Counter[str] | None = None) -> Any:
    """Dates, or nested lists or arrays of them, as days since 1970-01-01; numbers as they are, where they may be such days.

    A date is a text, or of Python's `datetime`, of numpy or of pandas. NaT is NaN, and so is None where the file has an answer for a gap.
    Numpy's dates have no offset: they are in UTC where those of the data are. Dates that lie far from those of the data, as 9999-12-31,
    are counted in `far`; where nobody asks for them, a warning tells them.

    Raises:
        ModelError: a text is no date; or one has an offset from UTC where the data had none, or none where they had one; or
            a number is none of days near those of the data, as 20240314.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _check_near(port, dates, np.asarray(value))
        return value
    try:
        array = np.asarray(value)
    except ValueError:  # Rows of different lengths, which are refused where shapes are.
        return value
    if array.dtype.kind == "M":
        days = _days_of(array)
        if not isinstance(value, Moments):
            _count_far(port, dates, days, far)
        return days
    if array.dtype.kind not in "OUTb":
        _check_near(port, dates, array)
        return value
    if isinstance(value, (list, tuple)):
        array = np.array(value, object)  # Numpy makes texts of the numbers among texts.
    days = np.array([_day(port, dates, each) for each in array.reshape(-1).tolist()], np.float64)
    _count_far(port, dates, days, far)
    return days.reshape(array.shape)


def _count_far(port: Port, dates: TrainedDates, days: Array, far: Counter[str] | None) -> None:
    """Count the days, [...], that lie far from those of the data; where nobody asks for them, a warning tells them."""
    counts = Counter[str]() if far is None else far
    counts.update(words_of_far(dates, days))
    if far is None:
        warn_of_far(port, dates, counts)


def words_of_far(dates: TrainedDates, days: Array) -> list[str]:
    """The days, [...], that lie far from those of the data, as dates."""
    return [nearest_date(each, dates.form) for each in days[dates.are_far(days)].tolist()]


def warn_of_far(port: Port, dates: TrainedDates, counts: Mapping[str, int]) -> None:
    """A warning that names the dates of an input that lie far from those of the data; none where there are none."""
    warn_of([far_dates(port.name, dates, counts)] if counts else [])


def far_dates(name: str, dates: TrainedDates, counts: Mapping[str, int]) -> str:
    """What is said of the dates of an input that lie far from those of the data, by how often each occurs."""
    first, last = date_in_words(dates.first, "day"), date_in_words(dates.last, "day")
    return f"`{name}`: far from the dates of the data, {first} to {last}: {words_with_counts(counts)}"


def as_moments(days: Any) -> Array:
    """Days since 1970-01-01, [...], as numpy's dates: a call takes these without a word, however far from those of the data.

    NaN is NaT. What is in no calendar, infinite or no number, stays as it is.
    """
    if np.asarray(days).dtype.kind not in "iuf" or np.isinf(days).any():
        return np.asarray(days)
    days = np.asarray(days, np.float64)
    microseconds = np.round(np.nan_to_num(days) * A_DAY).astype(np.int64).astype("datetime64[us]")
    return np.where(np.isnan(days), np.datetime64("NaT"), microseconds).view(Moments)


def is_date(text: str, order: DateOrder | None) -> bool:
    """Whether a text is a date in one of the forms that are read, those of an order, too."""
    return _moment(text, order) is not None


def dates_to_numbers(port: Port, dates: TrainedDates, text: str) -> str:
    """Words of the command line that are dates, `2024-03-14`, lists of them, or `2024-03-01..2024-03-31`, as the text of their numbers.

    Any other text is returned as it is. Raises `ModelError` as `as_days` does.
    """
    if port.gaps and text.strip().lower() in MISSING:
        return "NaN"
    low, range_, high = text.partition("..")
    if range_ and is_date(low, dates.order):
        return _range(port, dates, low, high)
    if text.startswith("@") or ".." in text:
        return text
    far = Counter[str]()
    numbers = WORD.sub(lambda match: _number(port, dates, match[0], far), text)
    warn_of_far(port, dates, far)
    return numbers if numbers == text or "," not in text or "[" in text else f"[{numbers}]"


def _number(port: Port, dates: TrainedDates, written: str, far: Counter[str]) -> str:
    """A word between brackets and commas as the text of its number. Raises `ModelError` as `as_days` does."""
    word = written.strip().strip("\"'")
    if is_number(word):
        _check_near(port, dates, np.asarray(float(word)))
    if is_number(word) or written.isspace():
        return written
    return repr(float(as_days(port, dates, word, far)))


def _range(port: Port, dates: TrainedDates, low: str, high: str) -> str:
    """The days from one date to another, both included, as the text of their numbers. Raises `ModelError` as `as_days` does, and where there are none."""
    first, last = as_days(port, dates, [low, high]).tolist()
    if not 0 <= last - first < MOST_DAYS:
        help = f"write 2024-03-01..2024-03-31: up to {MOST_DAYS:,} days"
        raise ModelError("input-range", f"`{port.name}={low}..{high}` is no range of days", help)
    return str(np.arange(first, last + 1).tolist())


def date_in_words(days: float, form: DateForm) -> str:
    """A number of days as the date that it is: of all times that are this number in 32 bits, the roundest."""
    try:
        moment = EPOCH + timedelta(days=_roundest(days))
    except (OverflowError, ValueError):  # Of no calendar, or no number.
        return f"{days:g}"
    if form == "day" and not days % 1:
        return f"{moment.date()}"
    return f"{moment.date()} {moment:%H:%M}" + ("Z" if form == "utc" else "")


def nearest_date(days: float, form: DateForm) -> str:
    """A number of days, of a result, as the nearest date of a form: a whole day where the data had whole days."""
    return date_in_words(float(np.round(days)) if form == "day" else days, form)


def dates_in_words(days: Array, form: DateForm) -> object:
    """Days of results, [...], as the nearest dates, in the same nested lists."""
    if days.ndim:
        return [dates_in_words(row, form) for row in days]
    return nearest_date(float(days), form)


def _roundest(days: float) -> float:
    """The days to the hour, to quarters of it, five minutes, or the minute: the first that is the same number in 32 bits."""
    rounded = (round(days * count) / count for count in (24, 96, 288))
    return next((each for each in rounded if np.float32(each) == np.float32(days)), round(days * 1440) / 1440)


def description_of_dates(facts: Facts, form: DateForm) -> str:
    """What an input of dates is, in words, and from when to when the data had them."""
    first, last = date_in_words(min(facts.low), form), date_in_words(max(facts.high), form)
    return f"{IN_WORDS[form]}, {first} to {last} in the data"


def _days_of(array: Array) -> Array:
    """Numpy's dates as days, NaT as NaN."""
    whole = array.astype("datetime64[us]")
    return np.where(np.isnat(whole), np.nan, whole.astype(np.int64) / A_DAY)


def _check_near(port: Port, dates: TrainedDates, numbers: Array) -> None:
    """Raise `ModelError` for a number that is none of days near those of the data, by the look of it."""
    refusal = refusal_of(port.name, dates, numbers) if numbers.dtype.kind in "iuf" else None
    if refusal is not None:
        raise ModelError("input-range", refusal.message, refusal.help)


def _day(port: Port, dates: TrainedDates, value: object) -> float:
    if value is None and not port.gaps:
        raise lacks_error(port, "None")
    if port.gaps if value is None else is_missing(value):
        return math.nan
    if isinstance(value, np.datetime64):
        return float(_days_of(np.asarray(value)))
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        _check_near(port, dates, np.asarray(value))
        return float(value)
    moment = _moment(value, dates.order) if isinstance(value, str) else _midnight(value)
    if moment is None:
        raise _no_date(port, dates.form, str(value))
    return _days(port, dates.form, moment, str(value))


def _midnight(value: object) -> datetime | None:
    """When a day of Python's `datetime` begins; a moment as it is, None for another value."""
    if isinstance(value, datetime) or not isinstance(value, date):
        return value if isinstance(value, datetime) else None
    return datetime(value.year, value.month, value.day)


@cache
def forms_of(order: DateOrder | None, has_letters: bool) -> tuple[tuple[str, str], ...]:
    """Patterns of dates and what ISO 8601 writes for them, one after the other; `has_letters` where months have names, or hours `PM`."""
    named = _named() if has_letters else ()
    return (*named, *(_ordered(order) if order is not None else ()), *ALWAYS, *(_twelve_hours() if has_letters else ()))


def in_iso(text: str, order: DateOrder | None) -> str:
    """A text as ISO 8601 writes it, where it is a date; any other is none then, either."""
    iso = text.strip()
    for written, instead in forms_of(order, LETTERS.search(iso) is not None):
        iso = re.sub(written, instead, iso)
    return iso


def _ordered(order: DateOrder) -> Iterator[tuple[str, str]]:
    """Dates in numbers alone, with one sign between them."""
    for sign in map(re.escape, SEPARATORS[order]):
        for year, century in YEARS:
            yield rf"^(\d{{1,2}}){sign}(\d{{1,2}}){sign}{year}\b", century + PLACES[order]


def _named() -> Iterator[tuple[str, str]]:
    """Dates with the English name of their month, whole or of three letters."""
    for year, century in YEARS:
        yield rf"^(\d{{1,2}})[-. ]{{1,2}}([A-Za-z]{{3,9}})[-., ]{{1,2}}{year}\b", century + r"\3-\2-\1"
    yield r"^([A-Za-z]{3,9})[. ]{1,2}(\d{1,2}),? (\d{4})\b", r"\3-\1-\2"
    for number, name in enumerate(MONTHS, 1):
        yield rf"^(\d{{4}})-(?i:{name})-", rf"\1-{number:02d}-"


def _twelve_hours() -> Iterator[tuple[str, str]]:
    """Hours of a clock with `AM` and `PM`, as those of one with 24."""
    yield rf"{MOMENT}12{CLOCK}{MORNING}", r"\1T00\2"
    yield rf"{MOMENT}(0\d|1[01]){CLOCK}{MORNING}", r"\1T\2\3"
    yield rf"{MOMENT}12{CLOCK}{EVENING}", r"\1T12\2"
    for hour in range(1, 12):
        yield rf"{MOMENT}{hour:02d}{CLOCK}{EVENING}", rf"\1T{hour + 12}\2"


def _moment(text: str, order: DateOrder | None) -> datetime | None:
    """What a text says; None where that is no date."""
    iso = in_iso(text, order)
    if not ISO.match(iso):
        return None
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        return None


def _days(port: Port, form: DateForm, moment: datetime, written: str) -> float:
    """A moment as days. Raises `ModelError` where it has an offset and the data had none, or the other way round."""
    offset = moment.utcoffset()
    if form == "utc" and offset is None:
        what = "times here have an offset from UTC, as in the data, and this has none"
    elif form != "utc" and offset is not None:
        what = "times here have no offset from UTC, as in the data, and this has one"
    else:
        plain = moment if offset is None else moment.astimezone(UTC).replace(tzinfo=None)
        return ((plain - EPOCH) // MICROSECOND) / A_DAY
    raise ModelError("input-dtype", f"`{port.name}`: {what}: `{written[:MAX_SHOWN]}`", f"write it as {EXAMPLES[form]}")


def _no_date(port: Port, form: DateForm, written: str) -> ModelError:
    message = f"`{port.name}` is {IN_WORDS[form]}, this is `{written[:MAX_SHOWN]}`"
    return ModelError("input-dtype", message, f"write it as {EXAMPLES[form]}")
