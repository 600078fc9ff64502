"""How numbers are written in texts: with a decimal point or comma, thousands apart by the other of them, and signs of money. Nothing here loads pyarrow."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Literal

from mai.runtime.inputs.cells import MISSING, is_number

Decimal = Literal[".", ","]
OTHER: dict[Decimal, Decimal] = {".": ",", ",": "."}
NAMES: dict[Decimal, str] = {".": "a decimal point", ",": "a decimal comma"}
MINUS = "\u2212"  # As books and pages print it.
PERCENT = "%"
SHOWN_AS = "a cell that a spreadsheet shows as 45 % holds 0.45"
MONEY = "$€£¥₹"
DIGITS = 2  # Behind the sign, of a number that stands with more than it needs.
BLANK = "[\\s\u00a0\u202f]?"
APART = "[ '\u2019\u00a0\u202f]"  # Between thousands, whatever the decimal sign is: `1 234,5`, `1'234.50`.


def _pattern(decimal: Decimal) -> str:
    """An expression for re and for RE2: `1,234.50`, `-$12`, `$-12`, `12 %`, `12.50-`, `1,46,50,396`.

    A group of thousands has three digits, or two in India before the last one, and the first begins with none of 0.
    """
    point, apart = (re.escape(sign) for sign in (decimal, OTHER[decimal]))
    grouped = rf"(?:[1-9]\d{{0,2}}(?:(?:{apart}\d{{3}})+|(?:{APART}\d{{3}})+)|[1-9]\d?(?:{apart}\d{{2}})+{apart}\d{{3}})(?:{point}\d*)?"
    plain = rf"(?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][-+]?\d+)?"
    return rf"(?P<sign>[-+{MINUS}]?){BLANK}(?:[{MONEY}]{BLANK}(?P<after>[-+{MINUS}]?))?{BLANK}(?P<digits>{grouped}|{plain}){BLANK}[{MONEY}%]?(?P<behind>[-{MINUS}]?)"


PATTERNS: dict[Decimal, str] = {sign: _pattern(sign) for sign in OTHER}
CODE = r"^0\d+$"  # Digits that begin with 0, for re and for RE2: of a postcode, and of no number.
WITH_UNIT = r"(?P<number>.*\d)[\s\u00a0\u202f]*(?P<unit>[^\W\d_][^\d\s]*|°[CF]?|%\w+)|(?P<money>[A-Z]{3}|Rs\.?)\s*(?P<sum>[\d.,]+)"


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Compiled when the first cell is read: a check of a spec reads none."""
    return re.compile(pattern)


def number_of(cell: str, decimal: Decimal, plain: bool = False) -> float | None:
    """The number that a text is; None where it is none.

    Unless it is to be `plain`, thousands may be separated, `1,234.5`, a sign of money or of a share may stand beside it, `$12`, and
    brackets around it say that it is negative, `(12)`, or a minus behind it, `12-`, as in accounts.
    """
    cell = cell.replace(MINUS, "-")
    text = cell if decimal == "." else cell.replace(",", ".")
    if is_number(text) and not (decimal == "," and "." in cell):
        return float(text)
    if plain:
        return None
    if cell[:1] == "(" and cell[-1:] == ")":
        return _negative(cell[1:-1], decimal)
    dressed = _expression(PATTERNS[decimal]).fullmatch(cell)
    sign = "" if dressed is None else dressed["sign"] + (dressed["after"] or "") + dressed["behind"]
    if dressed is None or len(sign) > 1:
        return None
    digits = re.sub(APART, "", dressed["digits"]).replace(OTHER[decimal], "")
    return float(sign + digits.replace(decimal, "."))


class Dressed:
    """The first of a column's numbers that stand with more than digits, and of those that say in the way of accounts that they are negative: `(12)`, `12-`."""

    def __init__(self) -> None:
        self._positive = self._negative = ""

    def see(self, cell: str, decimal: Decimal) -> None:
        """Look at a text that is a number."""
        is_negative = cell[:1] == "(" or cell[-1:] in ("-", MINUS)
        if (self._negative if is_negative else self._positive) or number_of(cell, decimal, plain=True) is not None:
            return
        if is_negative:
            self._negative = cell
        else:
            self._positive = cell

    def notes(self, column: str) -> Iterator[str]:
        """What is to be said of them."""
        if self._positive:
            what = "are read without signs of money, shares and thousands"
            yield f"column `{column}`: numbers such as `{self._positive}` {what}"
        if self._negative:
            what = "numbers in brackets" if self._negative[0] == "(" else "numbers with a minus behind them"
            yield f"column `{column}`: {what}, as `{self._negative}`, are read as negative"


def ways_to_write(value: str) -> Iterator[str]:
    """A value as it may stand in cells: `-999` is `-999.0`, and `-99.9` is `-99,90`, too; three digits behind a comma may be thousands."""
    yield value
    number = float(value) if is_number(value) else math.nan
    rounded = (f"{number:.{digits}f}" for digits in range(DIGITS + 1) if round(number, digits) == number)
    for way in {value, *rounded} if math.isfinite(number) else ():
        yield way
        if len(way.partition(".")[2]) != 3:
            yield way.replace(".", ",")


def is_word(cell: str | None, number: float | None) -> bool | None:
    """Whether a text that is this number, or none, is a word; None where it says that there is no value."""
    if number is not None:
        return False
    return None if (cell or "").lower() in MISSING else True


def _negative(inner: str, decimal: Decimal) -> float | None:
    """The number in brackets, with the other sign; None where it has one of its own, or is none."""
    dressed = _expression(PATTERNS[decimal]).fullmatch(inner)
    has_sign = dressed is not None and (dressed["sign"] or dressed["after"] or dressed["behind"])
    number = None if dressed is None or has_sign else number_of(inner, decimal)
    return None if number is None else -number


def unit_of(cell: str, decimal: Decimal) -> str | None:
    """The unit behind a number, `cm` in `20 cm`, or the money before it, `USD 20`; None where a text is anything else."""
    match = _expression(WITH_UNIT).fullmatch(cell)
    if match is None or number_of(match["number"] or match["sum"], decimal) is None:
        return None
    return str(match["unit"] or match["money"])
