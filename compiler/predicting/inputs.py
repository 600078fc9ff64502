"""The rows of a table as what a compiled file takes, by the names of its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mai.compiler.data.facts import dates_in, dates_of_columns, notes_of_percents, notes_of_zones, percents_in
from mai.compiler.data.fields import NO_LABEL, bad, check_there, group_columns
from mai.compiler.data.tables.cells import Column, Role
from mai.compiler.data.tables.files import TableFile, notes_on, read_blocks
from mai.compiler.predicting.far_numbers import FarDates, FarNumbers
from mai.compiler.predicting.texts import TextBlock, Texts, texts_of
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of, is_number
from mai.runtime.inputs.dates import as_moments, date_form
from mai.runtime.inputs.labels import (
    label_names,
    label_place,
    numbers_for_labels,
    spare_label,
    unknown_words,
)
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.runtime.model.manifest import Manifest, Port
    from mai.runtime.model.model import Model


@record
class Block:
    """Some rows.

    Attributes:
        values: of the inputs, [rows, ...] each.
        rows: the columns of the table as they stand in it.
        counts: how many tokens a text has, [rows], by input, where the file is asked for that many of its values.
        asked: the numbers of the rows that have values and counts, in order; None for all.
    """

    values: Mapping[str, Array]
    rows: pa.Table
    counts: Mapping[str, Array]
    asked: Array | None = None

    def parts(self, size: int) -> Iterator[Block]:
        """The rows in smaller blocks."""
        for start in range(0, self.rows.num_rows, size):
            if self.asked is None:
                inside, asked = slice(start, start + size), None
            else:
                inside = slice(*np.searchsorted(self.asked, (start, start + size)).tolist())
                asked = self.asked[inside] - start
            values, counts = ({n: each[inside] for n, each in a.items()} for a in (self.values, self.counts))
            yield Block(values, self.rows.slice(start, size), counts, asked)


def _numbers_of(port: Port) -> str:
    """The columns of an input that is a vector, as a part of a message; nothing for another input."""
    count = port.shape[0] if len(port.shape) == 1 else None
    return (
        f"; the {count} numbers of `{port.name}` are `{port.name}0` to `{port.name}{count - 1}`"
        if isinstance(count, int)
        else ""
    )


class PortColumns:
    """The columns of one input: `x`, or `x0`, `x1`, ... for a vector. Words are labels, by the names that the file has for them.

    A word that it does not know has the label for that, where there is one; `unknown` counts such words.
    """

    def __init__(self, manifest: Manifest, port: Port, columns: Sequence[str], table: TableFile) -> None:
        self.port, self.table = port, table
        self.names = label_names(manifest, port)
        self.unknown = Counter[str]()
        self.are_numbers = False  # Where the file has names.
        self._form = date_form(manifest, port)
        self._spare, self._dates = spare_label(port, self.names), dates_in(manifest.facts)
        self._percents = percents_in(manifest.facts)
        role: Role = "real" if port.dtype == "float32" else "label"
        self.parts = [
            Column(name, role, port.name, len(columns) > 1, named=any(map(is_number, self.names)), keeps=self.names)
            for name in columns
        ]
        dated = dates_of_columns(manifest.facts.get(port.name), len(self.parts))
        for part, dates in zip(self.parts, dated, strict=True):
            part.kinds.expected = dates
            part.start(table)
        self._far = FarNumbers(manifest.facts.get(port.name) if role == "real" else None, columns)
        self._far_dates = FarDates(columns, dated)
        sizes = [size for size in port.shape if isinstance(size, int)]
        self.shape = tuple(sizes) if len(sizes) == len(port.shape) else None
        if self.shape is not None and len(columns) not in (1, prod(self.shape)):
            message = f"`{port.name}` takes {prod(self.shape)} numbers, {table.path} has {len(columns)} columns of it"
            raise bad(message, help=f"they are called `{port.name}0` to `{port.name}{prod(self.shape) - 1}`")

    def read(self, block: dict[str, pa.Array]) -> Array:
        """The values of some rows. Raises `MaiError` for what is no value of this input."""
        first = self.parts[0].row
        arrays = [part.read(block[self.table.columns[part.name]]) for part in self.parts]
        for part in self.parts:
            if part.missing and not (part.has_gaps and self._takes_gaps(part)):
                raise bad(f"{self.table.path}: {part.lacks()}", help=self._without_answer(part))
        if self.parts[0].are_words:
            arrays = [self._numbered(self.parts[0], arrays[0], first)]
        else:
            if self._spare is not None:
                arrays = [np.where(array == NO_LABEL, self._spare, array) for array in arrays]
            self._check_labels(arrays, first)
        self._far.add(arrays)
        self._far_dates.add(arrays)
        values = np.stack(arrays, 1) if len(arrays) > 1 else arrays[0]
        values = values if self.shape is None else values.reshape(len(values), *self.shape)
        return values if self._form is None else as_moments(values)

    def _check_labels(self, arrays: Sequence[Array], first: int) -> None:
        """Raise `MaiError` for a number that is that of no label; note that numbers stand where the file has names."""
        if self.port.dtype != "int64" or not isinstance(self.port.classes, int):
            return
        for part, array in zip(self.parts, arrays, strict=True):
            is_none = (array < 0) | (array >= self.port.classes)
            if is_none.any():
                place = np.unravel_index(int(np.argmax(is_none)), array.shape)
                where = f"{self.table.path}: column `{part.name}`, row {first + int(place[0]) + 1}"
                there = (
                    f"it knows {', '.join(self.names[:8])}"
                    if self.names
                    else f"labels are 0 to {self.port.classes - 1}"
                )
                raise bad(f"{where}: there is no label {array[place]}", help=there)
        self.are_numbers = self.are_numbers or (bool(self.names) and self.parts[0].are_words is False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the rows that were read."""
        own = [note for part in self.parts for note in part.notes()]
        zones = tuple(bool(part.in_utc) if part.are_dates else None for part in self.parts)
        own += notes_of_zones(self._dates, {self.port.name: zones})
        own += notes_of_percents(self._percents, {self.port.name: tuple(p.percents.example for p in self.parts)})
        if self.are_numbers:
            own.append(numbers_for_labels(self.port.name, self.names))
        own += [*self._far.notes(), *self._far_dates.notes()]
        return (*own, *([unknown_words(self.port.name, self.unknown)] if self.unknown else []))

    def _takes_gaps(self, part: Column) -> bool:
        """Whether the file has something for a missing value: NaN for a number, a label after those with names."""
        return self.port.gaps is not False if part.role == "real" else self._spare is not None

    def _without_answer(self, part: Column) -> str:
        said = f"this file has nothing for a missing `{self.port.name}`"
        if self.names:
            return f"{said}: leave the row out, or train with `{self.port.name}: class[{len(self.names) + 1}]` and `missing = keep`"
        return (
            said
            if part.role != "real"
            else f"{said}: leave the row out, or train with `missing = keep` and `fill({self.port.name})`"
        )

    def _numbered(self, column: Column, codes: Array, first: int) -> Array:
        """Words as the numbers that the file has for them."""
        places = {word: label_place(self.names, word, self.port.classes) for word in column.names}
        place = {word: number for word, number in places.items() if number is not None}
        spare = -1 if self._spare is None else self._spare
        numbers = np.array([*(place.get(word, spare) for word in column.names), spare], np.int64)[codes]
        counts = np.bincount(codes[codes >= 0], minlength=len(column.names))
        self.unknown += Counter({w: int(n) for w, n in zip(column.names, counts, strict=True) if w not in place})
        if (numbers < 0).any():
            row = int(np.argmax(numbers < 0))
            word = list(column.names)[int(codes[row])]
            there = f"it knows {few_of(self.names)}" if self.names else "this file has no names of its labels"
            if self.names:
                more = f"`{self.port.name}: class[{len(self.names) + 1}]` and `missing = keep`"
                there += f"; a spec with {more} has one label more, for words that are missing or not known"
            message = (
                f"{self.table.path}: column `{column.name}`, row {first + row + 1}: there is no label `{word[:60]}`"
            )
            raise bad(message, help=there)
        return numbers


class TableInputs:
    """The rows of a table as what a file takes, a block at a time; `notes` say what was found in them, once all are read."""

    def __init__(self, model: Model, table: TableFile) -> None:
        self._model, self._table = model, table
        self._texts: Texts | None = None
        self._ports: dict[str, PortColumns] | None = None

    def __iter__(self) -> Iterator[Block]:
        """The blocks.

        Raises:
            MaiError: an input has no column, or a row has what is no value of it.
        """
        table, first = self._table, 0
        for block in read_blocks(table, [*table.columns.values()]):
            if self._ports is None:
                self._texts = texts_of(self._model, table, block)
                self._ports = self._columns([] if self._texts is None else self._texts.names)
            values = {name: port.read(dict(block)) for name, port in self._ports.items()}
            rows = pa.table({name: block[written] for name, written in table.columns.items()})
            whole = Block(values, rows, {})
            yield (
                whole
                if self._texts is None
                else _beside(whole, self._texts.read(replace(table, block=block, first=first)))
            )
            first += rows.num_rows

    def _columns(self, texts: Sequence[str]) -> dict[str, PortColumns]:
        """What reads the inputs that are no texts. Raises `MaiError` for one without a column."""
        model, table = self._model, self._table
        groups = group_columns([*table.columns], model.inputs) | self._vectors()
        names = [name for name in model.inputs if name not in texts]
        lacking = [name for name in names if name not in groups]
        if lacking:
            needed = ", ".join(f"`{name}`" for name in lacking)
            help = f"columns are found by the names of the file's inputs: rename them, or the inputs of `export {model.manifest.export}`"
            help += "".join(_numbers_of(model.inputs[name]) for name in lacking)
            raise bad(f"{table.path} has no column for {needed}; it has {few_of(table.columns)}", help=help)
        return {name: PortColumns(model.manifest, model.inputs[name], groups[name], table) for name in names}

    def _vectors(self) -> dict[str, list[str]]:
        """The columns of the vectors that have names of their own. Raises `MaiError` for one that is not there."""
        facts = self._model.manifest.facts
        vectors = {n: columns for n in self._model.inputs if n in facts and (columns := facts[n].columns)}
        for name, columns in vectors.items():
            for column in columns:
                check_there(column, self._table.columns, f"{self._table.path}: `{name}` has a column")
        return vectors

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the table, and in the rows that were read."""
        of_columns = [note for port in (self._ports or {}).values() for note in port.notes]
        of_texts = () if self._texts is None else self._texts.notes()
        return (*notes_on([self._table]), *of_columns, *of_texts)


def _beside(block: Block, texts: TextBlock) -> Block:
    """The rows of a block with their texts, which some lack."""
    values = {name: array[texts.kept] for name, array in block.values.items()}
    asked = None if len(texts.kept) == block.rows.num_rows else texts.kept
    return Block({**values, **texts.values}, block.rows, texts.counts, asked)
