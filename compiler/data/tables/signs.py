"""The decimal sign of a table in text: what its cells, or those of the tables beside it, can only be read by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.tables.dialect import Dialect
from mai.compiler.data.tables.numerals import OTHER, PATTERNS, Decimal

if TYPE_CHECKING:
    from mai.compiler.data.tables.files import TableFile


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
