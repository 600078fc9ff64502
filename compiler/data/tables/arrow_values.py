"""What Arrow's values are: lists, texts, numbers that are written plainly, and names."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.tables.numerals import Decimal


def plain_numbers(text: pa.Array, decimal: Decimal) -> pa.Array | None:
    """Texts as numbers, where all are without signs of money, shares and thousands; None where some are not."""
    if decimal == ",":
        if pc.any(pc.match_substring(text, ".")).as_py():
            return None
        text = pc.replace_substring(text, ",", ".")
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def is_list(kind: Any) -> bool:
    """Whether the values of Arrow's type are lists."""
    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))


def is_text(kind: Any) -> bool:
    """Whether the values of Arrow's type are texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view")


def as_names(values: pa.Array) -> pa.Array:
    """Values as names: a whole number is the same however it is written, 3 or 3.0."""
    return pc.replace_substring_regex(values.cast(pa.string()), r"^([-+]?\d+)\.0+$", r"\1")
