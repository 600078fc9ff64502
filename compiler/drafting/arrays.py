"""A spec that predicts one array of an archive from the others: they are taken as the columns of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.compiler.data.files.array_files import read_arrays
from mai.compiler.data.files.array_headers import NUMBERS, WORDS
from mai.compiler.data.rows import Column, Words, blocks
from mai.compiler.describing.arrays import ArraysSummary
from mai.compiler.describing.columns.column import ColumnReader, ColumnSummary
from mai.compiler.describing.leaks import ROWS
from mai.compiler.describing.tables import TableSummary
from mai.compiler.drafting.table_fields import TableFields, choose_fields
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of
from mai.spec.record import open_record

ODD = "its words are numbers or dates, or some are"


@open_record
class ArraysTable(TableSummary):
    """Arrays as columns, each a field of its own name; `shapes` are those of an example, of arrays of more axes than one."""

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def shape_of(self, name: str, width: int) -> tuple[int, ...]:
        return self.shapes.get(name, (width,))

    @property
    def source(self) -> str:
        return "arrays"

    def groups(self, apart: str | None = None) -> list[tuple[str, tuple[ColumnSummary, ...]]]:
        return [(column.name, (column,)) for column in self.columns]


def choose_arrays(summary: ArraysSummary, target: str, as_numbers: bool | None) -> TableFields:
    """What a spec takes of arrays to predict one of them. Raises `MaiError` where there is nothing to learn."""
    table, cells, left = _columns(summary, target)
    fields = choose_fields(table, target, as_numbers, cells)
    if fields.target.missing:
        message = f"{fields.target.missing:,} of {table.rows:,} rows lack `{target}`"
        raise bad(message, help="leave them out of the file")
    if fields.target_words is not None and fields.target_words.named:
        if as_numbers is False:
            help = "save their places, `np.unique(labels, return_inverse=True)[1]`"
            raise bad(f"the labels of `{target}` are not 0, 1, ...", help=help)
        fields = choose_fields(table, target, True, cells)
    if fields.rest is not None:
        raise bad("there are too many arrays of one number to name", help="save them as one: `np.stack([a, b], 1)`")
    return _without_texts(fields, left)


def _columns(summary: ArraysSummary, target: str) -> tuple[ArraysTable, dict[str, list[object]], dict[str, str]]:
    """The arrays that a field can be, as columns; their first values; and why others are left out. Raises `MaiError` where the target is."""
    there = [each.name for each in summary.arrays]
    if target not in there:
        raise bad(f"{summary.files[0]} has no array `{target}`", help=f"it has {few_of(there)}")
    reasons = {each.name: _why_not(each.shape, each.dtype, summary, target) for each in summary.arrays}
    left = {name: reason for name, reason in reasons.items() if reason is not None}
    words = {each.name for each in summary.arrays if np.dtype(each.dtype).kind in WORDS}
    if target not in left:
        table, cells = _table(summary.files, [name for name in there if name not in left])
        left |= {each.name: ODD for each in table.columns if each.name in words and each.kind != "word"}
    if target in left:
        raise bad(f"`{target}` cannot be predicted: {left[target]}")
    return replace(table, columns=tuple(each for each in table.columns if each.name not in left)), cells, left


def _why_not(shape: Sequence[int], dtype: str, summary: ArraysSummary, target: str) -> str | None:
    """Why no field can be an array; None where one can."""
    kind, rows = np.dtype(dtype).kind, {each.name: each.shape[:1] for each in summary.arrays}
    if kind not in NUMBERS + WORDS or not shape:
        return "it is no array of numbers or of words"
    if kind in WORDS and len(shape) > 1:
        return "several words are one example of it"
    if target in rows and rows[target] != tuple(shape[:1]):
        return f"it has {shape[0]:,} examples"
    return None


def _table(files: Sequence[Path], names: Sequence[str]) -> tuple[ArraysTable, dict[str, list[object]]]:
    """The arrays of these names as columns, and the first values of those with one for each example."""
    arrays = read_arrays(files, names)
    columns, cells, rows = list[ColumnSummary](), dict[str, list[object]](), 0
    for name in names:
        column = arrays[name]
        reader, missing, rows = ColumnReader(name), 0, column.shape[0]
        for block in _blocks(column):
            missing += int(np.isnan(block).sum()) if block.dtype.kind == "f" else 0
            reader.add(values := _as_arrow(block))
            if len(column.shape) == 1:
                cells[name] = [*cells.get(name, []), *values.to_pylist()][:ROWS]
        columns.append(replace(reader.summary(), missing=missing))
    shapes = {name: tuple(arrays[name].shape[1:]) for name in names if len(arrays[name].shape) > 1}
    return ArraysTable(tuple(files), "arrays", rows, tuple(columns), (), shapes=shapes), cells


def _blocks(column: Column) -> Iterator[Array]:
    if isinstance(column, Words):
        yield column.texts(slice(None))
    else:
        yield from blocks(column)


def _as_arrow(block: Array) -> pa.Array:
    """Numbers or texts as a column has them: truths are 1 and 0, what is not there (NaN) is null, and examples of several numbers are lists."""
    if block.dtype.kind == "b":
        block = block.astype(np.int8)
    if block.dtype == np.float16:
        block = block.astype(np.float32)
    flat = pa.array(block.reshape(-1), from_pandas=True)
    if block.ndim == 1:
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, prod(block.shape[1:]))


def _without_texts(fields: TableFields, left: Mapping[str, str]) -> TableFields:
    """Without texts, which only a table's column can have, and with what could be no field."""
    texts = [(each.name, "it holds texts, which `examples(...)` reads of a table") for each in fields.texts]
    if not (fields.numbers or fields.vectors or fields.words):
        raise bad(f"there are texts alone, {few_of([name for name, _ in texts])}", help="save them as a table: jsonl")
    return replace(fields, texts=(), left=(*fields.left, *left.items(), *texts))
