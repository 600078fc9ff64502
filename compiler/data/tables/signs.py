"""Signs in the cells of a table: the decimal sign of one in text, which its cells or those of the tables beside it can only be read by; and percent signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import bad
from mai.compiler.data.files.arrow_types import is_text
from mai.compiler.data.tables.dialect import Dialect
from mai.compiler.data.tables.numerals import MONEY, OTHER, PATTERNS, PERCENT, SHOWN_AS, Decimal

if TYPE_CHECKING:
    from mai.compiler.data.tables.files import TableFile

WITHOUT = f"^[^{PERCENT}]*[1-9][^{PERCENT}]*$"  # A number that is not 0, which is the same in percents.
FEW = 64  # Rows that are looked at before all of them.
ONE_MONEY = "a number says nothing of its currency: write amounts of one, or of each in a column of its own"
ONE_WAY = f"write all of them with a percent sign, or none; {SHOWN_AS}"


def with_sign(dialect: Dialect, blocks: Iterator[Mapping[str, pa.Array]], likely: Decimal | None) -> Dialect:
    """The dialect with the sign that most cells need, of the first rows in which some do.

    `4.606` may be either: where no cell tells, the sign is the `likely` one, or, where values are separated by commas, a point.
    """
    doubtful: tuple[str, str] | None = None
    for block in blocks:
        counts: dict[Decimal, int] = {".": 0, ",": 0}
        for name, text in block.items():
            needing, either = _signs(text)
            counts = {sign: count + needing[sign] for sign, count in counts.items()}
            doubtful = doubtful or (None if either is None else (name, either))
        if any(counts.values()):
            tied: Decimal = "." if dialect.separator == "," else ","
            sign = max(OTHER, key=lambda each: (counts[each], each == tied))
            return replace(dialect, decimal=sign, is_told=True)
    if likely is not None:
        return replace(dialect, decimal=likely)
    if doubtful is None or dialect.separator == ",":
        return replace(dialect, decimal=".")
    return replace(dialect, decimal="," if "," in doubtful[1] else ".", doubtful=doubtful)


def _signs(text: pa.Array) -> tuple[dict[Decimal, int], str | None]:
    """How many cells are numbers with one sign alone, by the sign; and the first that is one with either."""
    text = pc.utf8_trim_whitespace(text)
    text = text.filter(pc.match_substring_regex(text, "[.,]"))
    fits = {sign: pc.match_substring_regex(text, f"^(?:{pattern})$") for sign, pattern in PATTERNS.items()}
    alone = {sign: pc.and_not(fits[sign], fits[OTHER[sign]]).true_count for sign in OTHER}
    place = pc.index(pc.and_(fits["."], fits[","]), True).as_py()
    return alone, None if place < 0 else text[place].as_py()


def common_sign(tables: Sequence[TableFile]) -> Decimal | None:
    """The sign by which tables are read, where their numbers need one, and all the same."""
    dialects = [table.dialect for table in tables]
    signs = {each.decimal for each in dialects if each.is_told or each.doubtful is not None}
    return signs.pop() if len(signs) == 1 else None


class UnitSigns:
    """Whether the numbers of a column stand with a percent sign or without: not some of each, but for 0; and their signs of money: not several."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._where = {True: "", False: ""}
        self._cells = {True: "", False: ""}
        self._money: dict[str, str] = {}

    @property
    def example(self) -> str:
        """The first cell with the sign, or else without it; nothing where there is none."""
        return self._cells[True] or self._cells[False]

    @property
    def both(self) -> str | None:
        """The first cells of two units, and where they stand, in words; None where all are of one."""
        if len(self._money) > 1:
            return f"amounts of several currencies: {' and '.join(islice(self._money.values(), 2))}"
        if not all(self._cells.values()):
            return None
        signed, bare = (f"`{cell}` in {self._where[has_sign]}" for has_sign, cell in self._cells.items())
        return f"numbers of two units: {signed} has a percent sign, {bare} has none"

    def take(self, cells: pa.Array, where: Callable[[int], str], are_plain: bool) -> None:
        """Take rows that are numbers, or texts that are; `where` says in which row and file a place is. If they `are_plain`, none has the sign."""
        for has_sign, find in ((True, _with_percent), (False, _without_percent)):
            is_noted = self._cells[has_sign] or (has_sign and are_plain)
            place = -1 if is_noted else _first(find, cells)
            if place >= 0:
                self._cells[has_sign], self._where[has_sign] = str(cells[place]), where(place)
        for sign in () if are_plain else MONEY:
            place = -1 if sign in self._money else pc.index(pc.match_substring(cells, sign), True).as_py()
            if place >= 0:
                self._money[sign] = f"`{cells[place]}` in {where(place)}"

    def take_one_way(self, cells: pa.Array, where: Callable[[int], str], are_plain: bool) -> None:
        """The same. Raises `MaiError` where there are numbers of two units."""
        self.take(cells, where, are_plain)
        if self.both is not None:
            raise bad(f"column `{self._name}` has {self.both}", help=self.help)

    @property
    def help(self) -> str:
        """What to do where numbers are of two units."""
        return ONE_MONEY if len(self._money) > 1 else ONE_WAY


def _first(find: Callable[[pa.Array], pa.Array], cells: pa.Array) -> int:
    """The place of the first cell that is as looked for, which is most often among the first few; -1 where none is."""
    places = (pc.index(find(some), True).as_py() for some in (cells.slice(0, FEW), cells))
    return next((place for place in places if place >= 0), -1)


def _with_percent(cells: pa.Array) -> pa.Array:
    return pc.match_substring(cells, PERCENT)


def _without_percent(cells: pa.Array) -> pa.Array:
    if is_text(cells.type):
        return pc.match_substring_regex(cells, WITHOUT)
    return pc.greater(pc.abs(cells.cast(pa.float64(), safe=False)), 0)
