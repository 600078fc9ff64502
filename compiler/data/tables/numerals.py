"""How numbers are written in texts: with a decimal point or comma, thousands apart by the other of them, and signs of money. Nothing here loads pyarrow."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from mai.runtime.inputs.cells import MISSING, is_number

Decimal = Literal[".", ","]
OTHER: dict[Decimal, Decimal] = {".": ",", ",": "."}
NAMES: dict[Decimal, str] = {".": "a decimal point", ",": "a decimal comma"}
MINUS = "\u2212"  # As books and pages print it.
BLANK = "[\\s\u00a0\u202f]?"
APART = "[ '\u2019\u00a0\u202f]"  # Between thousands, whatever the decimal sign is: `1 234,5`, `1'234.50`.


def _pattern(decimal: Decimal) -> str:
    """An expression for re and for RE2: `1,234.50`, `-$12`, `$-12`, `12 %`. A group of thousands has three digits, and the first begins with none of 0."""
    point, apart = (re.escape(sign) for sign in (decimal, OTHER[decimal]))
    grouped = rf"[1-9]\d{{0,2}}(?:(?:{apart}\d{{3}})+|(?:{APART}\d{{3}})+)(?:{point}\d*)?"
    plain = rf"(?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][-+]?\d+)?"
    return rf"(?P<sign>[-+{MINUS}]?){BLANK}(?:[$€£¥]{BLANK}(?P<after>[-+{MINUS}]?))?{BLANK}(?P<digits>{grouped}|{plain}){BLANK}[$€£¥%]?"


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
    brackets around it say that it is negative, `(12)`, as in accounts.
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
    sign = "" if dressed is None else dressed["sign"] + (dressed["after"] or "")
    if dressed is None or len(sign) > 1:
        return None
    digits = re.sub(APART, "", dressed["digits"]).replace(OTHER[decimal], "")
    return float(sign + digits.replace(decimal, "."))


def is_word(cell: str | None, number: float | None) -> bool | None:
    """Whether a text that is this number, or none, is a word; None where it says that there is no value."""
    if number is not None:
        return False
    return None if (cell or "").lower() in MISSING else True


def _negative(inner: str, decimal: Decimal) -> float | None:
    """The number in brackets, with the other sign; None where it has one of its own, or is none."""
    dressed = _expression(PATTERNS[decimal]).fullmatch(inner)
    number = None if dressed is None or dressed["sign"] or dressed["after"] else number_of(inner, decimal)
    return None if number is None else -number


def unit_of(cell: str, decimal: Decimal) -> str | None:
    """The unit behind a number, `cm` in `20 cm`, or the money before it, `USD 20`; None where a text is anything else."""
    match = _expression(WITH_UNIT).fullmatch(cell)
    if match is None or number_of(match["number"] or match["sum"], decimal) is None:
        return None
    return str(match["unit"] or match["money"])
