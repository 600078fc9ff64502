"""Values that are missing in arrays: NaN, which stands where a table has an empty cell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import Column, blocks, rows_of
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
        rows, begin = rows_of(column), 0
        for block in blocks(rows) if rows.dtype.kind == "f" else ():
            with np.errstate(over="ignore"):
                infinite = np.isinf(block.astype(np.float32)).reshape(len(block), -1).any(1)
            if infinite.any():
                row = begin + int(np.argmax(infinite)) + 1
                raise bad(f"`{name}` holds infinite values: in row {row:,}", help="write NaN where there is no value")
            begin += len(block)
