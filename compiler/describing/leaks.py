"""Columns that tell what is to be predicted all by themselves: often it in other words, or known only after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from mai.compiler.data.files.arrow_types import decoded, is_list, is_text
from mai.compiler.data.tables.dates import moments_of
from mai.compiler.data.tables.dialect import Dialect, Stated
from mai.compiler.data.tables.files import TableFile, open_tables, read_blocks
from mai.compiler.data.tables.numerals import number_of
from mai.compiler.describing.lines import share
from mai.compiler.describing.tables import AS_FOUND
from mai.runtime.arrays import Array
from mai.spec.record import record

ROWS, CELLS = 20_000, 1_000_000  # That are looked at: the first rows of a large table, fewer of a wide one.
FEWEST = 20
NEARLY = 0.98  # Of the rows that always guessing the most frequent label gets wrong, and of the variance of numbers.
EXACTLY = 0.9999  # Of the variance: numbers in another unit.
BINS, IN_BIN = 64, 20  # Bins of numbers, and how many rows each has at least.


@record
class Leak:
    """A column that tells a target: how much of it, in words, and whether it is the target itself, value for value."""

    column: str
    words: str
    is_same: bool


def leaks(
    files: Sequence[Path], columns: Sequence[str], target: str, is_label: bool, stated: Stated = AS_FOUND
) -> list[Leak]:
    """The columns of which each alone tells a target, in the first rows of the files.

    A column of labels, or of numbers in bins, tells what is most frequent, or the mean, where it has a value; values that nearly each row
    has for itself tell nothing of others, and are judged by their order alone.

    Args:
        is_label: whether the target is a label, and not a number.
        stated: what a spec says of how the files are written.
    """
    return leaks_among(_first_cells(files, [*columns, target], stated), target, is_label)


def leaks_among(cells: Mapping[str, Sequence[object]], target: str, is_label: bool) -> list[Leak]:
    """The same, of cells: numbers, texts, or None where there is no value. Columns of lists are left out of them."""
    values = {name: _of_column(each) for name, each in cells.items()}
    goal = values.pop(target)
    there = goal.is_there
    codes, numbers = goal.codes[there], goal.numbers[there]
    if len(codes) < FEWEST or (not is_label and goal.are_words):
        return []
    each = (_leak(name, column.only(there), codes, numbers, is_label) for name, column in values.items())
    return [leak for leak in each if leak is not None]


def _leak(name: str, column: _Values, codes: Array, numbers: Array, is_label: bool) -> Leak | None:
    cells = column.cells()
    if len(np.unique(cells)) < 2:
        return None
    part = _share_of_labels(cells, codes) if is_label else _share_of_variance(column, cells, numbers)
    if part is None or part < NEARLY:
        return None
    pairs = len({*zip(column.codes.tolist(), codes.tolist(), strict=True)})
    is_same = pairs == len(np.unique(codes)) == len(np.unique(column.codes)) and bool(column.is_there.all())
    is_same &= is_label or part > EXACTLY
    what = "it is the same in other words" if is_same else f"it alone tells {share(part, 1)} of it"
    return Leak(name, what, is_same)


def _share_of_labels(cells: Array, codes: Array) -> float | None:
    """Of the rows that one guess for all gets wrong, the share that one guess for each cell gets right."""
    counts = np.zeros((int(cells.max()) + 1, int(codes.max()) + 1))
    np.add.at(counts, (cells, codes), 1)
    wrong = len(codes) - counts.sum(0).max()
    return None if not wrong else float((counts.max(1).sum() - counts.sum(0).max()) / wrong)


def _share_of_variance(column: _Values, cells: Array, numbers: Array) -> float | None:
    """The share of the variance that a straight line, the order or the means of cells explain, whichever is more."""
    total = float(numbers.var())
    if not total:
        return None
    sizes: Array = np.bincount(cells)
    means = np.bincount(cells, numbers) / np.maximum(sizes, 1)
    degrees = max(len(numbers) - int(np.count_nonzero(sizes)), 1) / len(numbers)  # Many cells explain much by chance.
    shares: list[float] = []
    if not column.is_many:
        shares.append(1 - float(((numbers - means[cells]) ** 2).mean() / degrees / total))
    if not column.are_words and column.is_there.all():
        pairs = ((column.numbers, numbers), (_ranks(column.numbers), _ranks(numbers)))
        shares += [float(np.corrcoef(pair)[0, 1] ** 2) for pair in pairs]
    return max(shares) if shares else None


def _ranks(numbers: Array) -> Array:
    return np.unique(numbers, return_inverse=True)[1].astype(float)


# ------------------------------------------------------------------ values


@record
class _Values:
    """The values of a column, as numbers, [n], NaN for a word or nothing, and as codes of different ones, -1 where there is none."""

    numbers: Array
    codes: Array
    are_words: bool

    @property
    def is_there(self) -> Array:
        there: Array = self.codes >= 0
        return there

    @property
    def is_many(self) -> bool:
        """Whether nearly every row has a value of its own."""
        return bool(np.unique(self.codes).size > self.codes.size / 5)

    def only(self, rows: Array) -> _Values:
        return _Values(self.numbers[rows], self.codes[rows], self.are_words)

    def cells(self) -> Array:
        """Rows whose values are alike: of many numbers those in a bin; what is missing is a cell of its own."""
        if not self.is_many:
            return np.unique(self.codes, return_inverse=True)[1]
        if self.are_words:
            return np.zeros(len(self.codes), np.int64)
        edges = np.unique(
            np.nanquantile(self.numbers, np.linspace(0, 1, max(2, min(BINS, self.codes.size // IN_BIN)) + 1)[1:-1])
        )
        return np.where(self.is_there, np.searchsorted(edges, self.numbers) + 1, 0)


def _first_cells(files: Sequence[Path], names: Sequence[str], stated: Stated) -> dict[str, list[object]]:
    """The first rows of some columns, but for those that hold lists."""
    cells: dict[str, list[object]] = {name: [] for name in names}
    rows, most = 0, min(ROWS, CELLS // len(names))
    for dialect, block in _blocks(open_tables(files, stated), names):
        for name, array in block.items():
            if is_list(array.type):
                cells.pop(name, None)
            elif name in cells:
                cells[name] += _cells(array, dialect)
        rows += len(block[names[0]])
        if rows >= most:
            break
    return cells


def _blocks(tables: Sequence[TableFile], names: Sequence[str]) -> Iterator[tuple[Dialect, dict[str, pa.Array]]]:
    """Some columns by name, a block of rows of a file after the other, and how the file is written."""
    for table in tables:
        for block in read_blocks(table, [table.columns[name] for name in names]):
            yield table.dialect, {name: block[table.columns[name]] for name in names}


def _of_column(cells: Sequence[object]) -> _Values:
    there = [cell if cell not in ("", None) else None for cell in cells]
    numbers = np.array([float("nan") if isinstance(cell, str) or cell is None else cell for cell in there], float)
    different = {cell: number for number, cell in enumerate(dict.fromkeys(c for c in there if c is not None))}
    codes = np.array([-1 if cell is None else different[cell] for cell in there], np.int64)
    return _Values(numbers, codes, any(isinstance(cell, str) for cell in there))


def _cells(array: pa.Array, dialect: Dialect) -> Iterator[object]:
    array = decoded(array)
    if is_text(array.type):
        moments = moments_of(array.cast(pa.string()), dialect.order)
        if moments is None:
            texts = (text.strip() if text is not None else "" for text in array.to_pylist())
            yield from (number if (number := number_of(text, dialect.decimal)) is not None else text for text in texts)
            return
        array = moments
    if pa.types.is_temporal(array.type):
        yield from array.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_pylist()
    else:
        yield from (float(value) if value is not None and value == value else None for value in array.to_pylist())
