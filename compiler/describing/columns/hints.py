"""What a column of numbers may be besides an amount: names of rows, and dates that are counted. A person decides; names are hints here alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from mai.compiler.describing.columns.column import FEW_ROWS, ColumnSummary
from mai.compiler.describing.columns.numbers import Numbers
from mai.runtime.arrays import Array
from mai.runtime.inputs.counted_dates import COUNTED, MILLISECONDS, SECONDS, SPREADSHEET

# Last words of what names rows, as `order number`, `accountId`.
NAMING = frozenset((
    "id", "ids", "uid", "uuid", "guid", "key", "pk", "nr", "no", "num", "number", "index", "idx", "account", "acct", "phone", "tel",
    "telephone", "mobile", "fax", "iban", "ssn", "isbn", "ean", "gtin", "imei", "barcode", "serial", "ref", "reference", "invoice",
    "ticket", "passport", "konto", "kontonummer", "nummer", "telefon", "numero",
))  # fmt: skip
DATES = frozenset((
    "date", "dates", "datum", "fecha", "jour", "tag", "day", "when", "time", "datetime", "timestamp", "ts", "dob", "created", "updated",
    "modified",
))  # fmt: skip
FEWEST = 8  # Numbers of which all are dates by their digits, and none by chance.
NEARLY = 0.9  # The share of rows with a number of their own.
STEP = 10  # The mean step of numbers that go on with the rows.
RANGES = {SPREADSHEET: (20_000, 60_000), SECONDS: (1e8, 4e9), MILLISECONDS: (1e11, 4e12)}  # Of dates, in each way.
CODES = frozenset((-1, -9, -99, -999, -9_999, -99_999, -999_999))
CODES_ABOVE = frozenset((99, 999, 9_999, 99_999, 999_999))
MOST_CODES = 4  # One beside the other: -9, -8 and -7 say why there is no answer.
ABOVE = 3  # Times the reach of the others a code lies above them.
CODED = 0.01  # The share of the rows that have it, of which a code is more.
NEAREST, OFTEN = 10, 3  # A code next to positive numbers is more frequent than the nearest ones.
LEAVE_OUT = "a cell without a value is empty"
HELP = "write them as 2024-03-14, with a time or not"


def words_of(name: str) -> list[str]:
    """The words of a column's name, in small letters: of `order_number` and `orderNumber` alike."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def names_rows(column: ColumnSummary) -> str | None:
    """Why a column of whole numbers says nothing of other rows; None for one that may be amounts."""
    there = column.rows - column.missing
    if column.kind != "whole" or column.numbers is None or there <= FEW_ROWS:
        return None
    if (
        column.are_rising
        and column.distinct in (None, there)
        and column.numbers.high - column.numbers.low < STEP * there
    ):
        return "its numbers go on from row to row, as a count does: it names a row, and says nothing of others"
    own = column.distinct is None or column.distinct >= NEARLY * there
    if own and _is_named(column.name):
        return "its numbers differ from row to row, and its name is that of an identifier: it names a row, and says nothing of others"
    return None


def _is_named(name: str) -> bool:
    """Whether the last word names rows, or the first is `id`: an `account balance` does not."""
    words = words_of(name)
    return bool(words) and (words[-1] in NAMING or words[0] == "id")


def counted_dates(column: ColumnSummary) -> str | None:
    """What is said of numbers that look like dates, counted from a day on; None of others."""
    numbers = column.numbers
    if column.kind not in ("whole", "number") or numbers is None or not numbers.count:
        return None
    if not (DATES & {*words_of(column.name)} or (column.is_numbering and numbers.low > 36_525)):
        return None
    way = next((way for way, (least, most) in RANGES.items() if least <= numbers.low and numbers.high <= most), None)
    if way is None:
        return None
    low, high = (_date(COUNTED[way](end)) for end in (numbers.low, numbers.high))
    return f"its numbers look like dates, {low} to {high}, in {way}: {HELP}"


def dates_in_digits(column: ColumnSummary) -> str | None:
    """What is said of numbers whose digits are those of dates, as 20240314; None of others."""
    numbers = column.numbers
    if column.kind != "whole" or numbers is None or not _are_digits_of_dates(numbers):
        return None
    low, high = (f"{end[:4]}-{end[4:6]}-{end[6:]}" for end in (f"{numbers.low:.0f}", f"{numbers.high:.0f}"))
    return f"its numbers look like dates, {low} to {high}, in digits alone: {HELP}"


def _are_digits_of_dates(numbers: Numbers) -> bool:
    """Whether all of several numbers are years, months and days one behind the other, as 20240314."""
    sample = numbers.sample
    if not numbers.are_whole or numbers.count < FEWEST or not (19_000_101 <= numbers.low < numbers.high <= 21_001_231):
        return False
    months, days = sample // 100 % 100, sample % 100
    return bool(((months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)).all())


def code_for_missing(column: ColumnSummary) -> str | None:
    """What is said of a least or largest number that is written for a value that there is not, as -999 beside ages; None of others."""
    numbers = column.numbers
    if column.kind not in ("whole", "number") or numbers is None or numbers.count < FEW_ROWS:
        return None
    for code in [numbers.low] * (numbers.low in CODES) + [numbers.high] * (numbers.high in CODES_ABOVE):
        codes = _codes_beside(code, numbers.sample)
        others = numbers.sample[~np.isin(numbers.sample, codes)]
        coded = 1 - len(others) / len(numbers.sample)
        if len(others) and coded > CODED and _is_apart(codes[-1], others, coded * len(numbers.sample)):
            return _said_of_codes(column.name, codes, coded)
    return None


def _codes_beside(code: float, sample: Array) -> list[float]:
    """A code, and those that follow it towards the other numbers with no gap: -9, -8 and -7, or 99 and 98."""
    step = -1 if code > 0 else 1
    codes = [code]
    while code < -1 or code > 0:
        code += step
        if code == 0 or len(codes) == MOST_CODES or not (sample == code).any():
            break
        codes.append(code)
    return codes


def _said_of_codes(name: str, codes: Sequence[float], coded: float) -> str:
    written = [f"{code:.0f}" for code in codes]
    list_, several = ", ".join(written), len(codes) > 1
    what = f"{list_}, in {100 * coded:.2g} % of its rows, {'look like codes' if several else 'looks like a code'} for a missing value"
    all_ = f"[{list_}]" if several else list_
    return f"{what}: {LEAVE_OUT}, or a spec says `absent = {all_}`, or of this column alone `absent = code({name}, {all_})`"


def _is_apart(code: float, others: Array, count: float) -> bool:
    """Whether a number of `count` rows is no amount as the others are: below them by more than they reach, or, beside them, far more frequent."""
    low, high = others.min(), others.max()
    if code > 0:  # 99 is a price as often as a code.
        return bool(0 < ABOVE * (high - low) < code - high)
    if code < -1 and 0 < high - low < low - code:
        return True
    if low < 0:
        return False
    near = [int((others == low + step).sum()) for step in range(NEAREST)]
    return code < -1 or (high - low > NEAREST and count > OFTEN * max(near))


def _date(days: float) -> str:
    return str(pa.scalar(int(days), pa.date32()))
