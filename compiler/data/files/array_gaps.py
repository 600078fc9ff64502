"""Values that are missing in arrays: NaN, which stands where a table has an empty cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import Column, Rows, blocks, rows_of
from mai.runtime.arrays import Array


def rows_without_gaps(arrays: Mapping[str, Column], count: int) -> Array:
    """The numbers of the first `count` rows in which no array has NaN."""
    whole = np.ones(count, bool)
    for rows in map(rows_of, arrays.values()):
        if rows.dtype.kind == "f":
            lacks = [np.isnan(block).reshape(len(block), -1).any(1) for block in blocks(rows)]
            whole &= ~np.concatenate([*lacks, np.zeros(0, bool)])[:count]
    return np.flatnonzero(whole)


def refuse_infinite(arrays: Mapping[str, Column]) -> None:
    """Raise `MaiError` for a number that is infinite in 32 bits, which is none that is missing."""
    for name, column in arrays.items():
        rows = rows_of(column)
        row = first_row(rows, np.isinf) if rows.dtype.kind == "f" else None
        if row is not None:
            raise bad(f"`{name}` holds infinite values: in row {row:,}", help="write NaN where there is no value")


def first_row(rows: Rows, are_so: Callable[[Array], Array]) -> int | None:
    """The number, from 1, of the first row with a number that is so in 32 bits; None where there is none."""
    begin = 0
    for block in blocks(rows):
        with np.errstate(over="ignore"):
            has_one = are_so(block.astype(np.float32)).reshape(len(block), -1).any(1)
        if has_one.any():
            return begin + int(np.argmax(has_one)) + 1
        begin += len(block)
    return None
