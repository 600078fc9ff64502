"""Numbers in the place of dates: days since 1970-01-01, and those that are none, as 20240314 or a spreadsheet's 45365."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.model.manifest import DateForm, DateOrder

IN_WORDS: Mapping[DateForm, str] = {"day": "a date", "time": "a date with its time", "utc": "a time in UTC"}
EXAMPLES: Mapping[DateForm, str] = {
    "day": "2024-03-14, or 14.03.2024", "time": "2024-03-14 09:30", "utc": "2024-03-14T09:30Z, or 2024-03-14T11:30+02:00",
}  # fmt: skip
NEAR, FAR = 3_653, 18_263  # Ten and fifty years, in days.
EPOCH, DAY = datetime(1970, 1, 1), 86_400  # Seconds.
EXACT = 1 << 24  # From here on numbers of 32 bits have gaps.
DIGITS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


class TrainedDates(NamedTuple):
    """How the numbers of a field were written as dates, the first and the last of them, in days since 1970-01-01, and whether a spec said that day or month is first."""

    form: DateForm
    first: float
    last: float
    order: DateOrder | None = None

    def are_far(self, days: Array) -> Array:
        """Whether days, [...], are further from those of the data than these from each other and fifty years. NaN is not."""
        return np.maximum(self.first - days, days - self.last) > self.last - self.first + FAR


class Refusal(NamedTuple):
    """Which number is no day since 1970-01-01 by the look of it, from 0, why, and what to write."""

    place: int
    message: str
    help: str


def _of_digits(number: float) -> float | None:
    """The days of a date whose digits stand one behind the other, as 20240314 or 202403140930."""
    text = f"{number:.0f}"
    if number % 1 or len(text) not in DIGITS:
        return None
    try:
        return (datetime.strptime(text, DIGITS[len(text)]) - EPOCH).total_seconds() / DAY
    except ValueError:  # Of no calendar.
        return None


def _of_year(number: float) -> float | None:
    return None if number % 1 or not 1000 <= number <= 9999 else (datetime(int(number), 1, 1) - EPOCH).days


SPREADSHEET, SECONDS = "days since 1899-12-30, as a spreadsheet counts them", "seconds since 1970"
MILLISECONDS = "milliseconds since 1970"
# Ways to count dates, as the days since 1970-01-01 of a number.
COUNTED: Mapping[str, Callable[[float], float]] = {
    SPREADSHEET: lambda number: number - 25_569,
    SECONDS: lambda number: number / DAY,
    MILLISECONDS: lambda number: number / (DAY * 1e3),
    "microseconds since 1970": lambda number: number / (DAY * 1e6),
    "nanoseconds since 1970": lambda number: number / (DAY * 1e9),
}
WAYS: Mapping[str, Callable[[float], float | None]] = {
    "a date in digits alone": _of_digits,
    "a year": _of_year,
    **COUNTED,
}


def refusal_of(name: str, dates: TrainedDates, numbers: Array, data: str = "the data") -> Refusal | None:
    """Why some numbers, [...], in their order, are no days since 1970-01-01; None where all of them may be.

    One is none that lies further from the dates of the data than these from each other and fifty years; or ten years from them, where it
    is one of their time if it is read in another way. What is no finite number is missing.
    """
    is_rounded = numbers.dtype == np.float32
    numbers = np.asarray(numbers, np.float64).reshape(-1)
    numbers, places = numbers[np.isfinite(numbers)], np.flatnonzero(np.isfinite(numbers))
    off = np.maximum(dates.first - numbers, numbers - dates.last)
    is_far = dates.are_far(numbers)
    outside = np.flatnonzero(off > NEAR)
    distinct = outside[np.unique(numbers[outside], return_index=True)[1]] if len(outside) else outside
    for place in sorted(distinct.tolist())[:1000]:
        read = _read(dates, float(numbers[place]), is_rounded)
        if read is not None:
            way, days = read
            return _refusal(name, dates, int(places[place]), float(numbers[place]), f"looks like {way}", days, data)
    if not is_far.any():
        return None
    place = int(np.argmax(is_far))
    return _refusal(name, dates, int(places[place]), float(numbers[place]), "is far from these", None, data)


def _read(dates: TrainedDates, number: float, is_rounded: bool) -> tuple[str, float | None] | None:
    """In which way a number is of the time of the data, and its days, unless the number `is_rounded` to 32 bits; None where there is no such way."""
    is_rounded = is_rounded and abs(number) > EXACT
    for way, days_of in WAYS.items():
        for each in (number, number + 1, number - 1) if is_rounded else (number,):
            days = days_of(each)
            if days is not None and dates.first - NEAR <= days <= dates.last + NEAR:
                return way, None if is_rounded else days
    return None


def _refusal(
    name: str, dates: TrainedDates, place: int, number: float, looks: str, days: float | None, data: str
) -> Refusal:
    first, last = _written(dates.first, "day"), _written(dates.last, "day")
    written = f"{number:.0f}" if not number % 1 and abs(number) < 1e21 else repr(number)
    range_ = f"`{name}` is {IN_WORDS[dates.form]}, {first} to {last} in {data}"
    what = f"{range_}; numbers are days since 1970-01-01, and {written} {looks}"
    help = EXAMPLES[dates.form] if days is None else _written(days, dates.form)
    return Refusal(place, what, f"write it as {help}")


def _written(days: float, form: DateForm) -> str:
    """Days as a date, of times to the minute."""
    if form == "day":
        return str(np.datetime64(math.floor(days), "D"))
    minute = str(np.datetime64(math.floor(days * 1440 + 0.5), "m"))
    return minute.replace("T", " ") + ("Z" if form == "utc" else "")
