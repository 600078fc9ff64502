"""numpy's arrays as what a compiled file takes, by their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.compiler.data.files.array_files import read_arrays
from mai.compiler.data.files.array_headers import names_of_columns, shapes_of
from mai.compiler.data.rows import Words
from mai.compiler.predicting.far_numbers import FarNumbers
from mai.compiler.predicting.inputs import Block
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of
from mai.runtime.inputs.dates import as_moments, date_form

if TYPE_CHECKING:
    from mai.compiler.data.rows import Column
    from mai.runtime.model.model import Model

ROW = "row"  # The column of the numbers of rows, from 1.


def is_arrays(path: Path) -> bool:
    """Whether a file is one of numpy's by its name."""
    return path.suffix in (".npz", ".npy") and not path.is_dir()


class ArrayInputs:
    """The rows of an archive of arrays, or of one plain array, as what a file takes, `count` at a time.

    `columns` are what can be written beside the results: the numbers of the rows, and the arrays that have one number or word for each.
    `notes` say what was found in the rows, once all are read.
    """

    def __init__(self, model: Model, path: Path, count: int) -> None:
        self._model, self._path, self._count = model, path, count
        beside = [name for name in names_of_columns(path) if name != ROW]
        self.columns = [ROW, *beside]
        self._check_names()
        self._far = {name: FarNumbers(model.manifest.facts.get(name), self._parts(name)) for name in model.inputs}

    def _check_names(self) -> None:
        """Raise `MaiError` where there is no array of the name of an input; one plain array is the one input, whatever it is called."""
        inputs, is_one = [*self._model.inputs], self._path.suffix == ".npy"
        names = inputs[:1] if is_one else [*(shapes_of([self._path]) or inputs)]
        lacking = [name for name in inputs if name not in names]
        if lacking or not inputs:
            needed = ", ".join(f"`{name}`" for name in lacking) or "nothing, which is all that this file takes"
            there = "it is one array" if is_one else f"it has {few_of(names)}"
            help = "arrays are found by the names of the file's inputs: `np.savez(path, x=x)`"
            raise bad(f"{self._path} has no array for {needed}; {there}", help=help)

    def __iter__(self) -> Iterator[Block]:
        """The blocks. Raises `MaiError` where an array holds neither numbers nor words, or is of another length."""
        inputs = [*self._model.inputs]
        arrays = read_arrays([self._path], [*dict.fromkeys([*inputs, *self.columns[1:]])])
        total = arrays[inputs[0]].shape[0]
        for begin in range(0, total, self._count):
            rows = slice(begin, min(begin + self._count, total))
            beside = {name: pa.array(_texts_or_numbers(arrays[name], rows)) for name in self.columns[1:]}
            numbers = pa.array(np.arange(rows.start + 1, rows.stop + 1))
            yield Block(
                {name: self._taken(name, arrays[name], rows) for name in inputs}, pa.table({ROW: numbers, **beside}), {}
            )

    def _taken(self, name: str, column: Column, rows: slice) -> Array:
        """The values of an input as a call takes them: words and texts as such, truth values as 1 and 0, days as dates."""
        port, values = self._model.inputs[name], _texts_or_numbers(column, rows)
        if values.dtype.kind == "b":
            values = values.astype(port.dtype)
        if isinstance(column, Words):
            return values
        vector = len(self._parts(name)) > 1 and values.ndim == 2
        self._far[name].add([*values.T] if vector else [values])
        return values if date_form(self._model.manifest, port) is None else as_moments(values)

    def _parts(self, name: str) -> Sequence[str]:
        """The numbers of an input whose range in training is known one by one; else the input alone."""
        facts, port = self._model.manifest.facts.get(name), self._model.inputs[name]
        count = 1 if facts is None else len(facts.low)
        return [f"{name}{place}" for place in range(count)] if count > 1 and port.shape == [count] else [name]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the rows that were read."""
        return tuple(note for each in self._far.values() for note in each.notes())


def _texts_or_numbers(column: Column, rows: slice) -> Array:
    """Some rows of a column: numbers of a type that tables have, or texts."""
    if isinstance(column, Words):
        return column.texts(rows)
    values = column[rows]
    return values.astype(np.float32) if values.dtype == np.float16 else values
