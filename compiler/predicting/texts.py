"""The texts of a table as what a compiled file takes: by its tokenizer, and filled up, cut and masked as training did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from mai.compiler.data.fields import bad, group_columns
from mai.compiler.data.files.arrow_types import is_list, is_text
from mai.compiler.data.rows import counts_of
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.tables.files import TableFile
from mai.compiler.data.texts.conversations import conversations_of
from mai.compiler.data.texts.examples import note_of_longer, read_texts
from mai.compiler.data.texts.lengths import unmasked_texts
from mai.compiler.data.texts.tokens import opened
from mai.compiler.evaluating.subject import check_compiled
from mai.compiler.evaluating.targets.links import fields_read, types_read
from mai.compiler.ir.types import Type
from mai.compiler.predicting.unasked import note_of_unasked
from mai.runtime.arrays import Array
from mai.runtime.inputs.values import takes_text
from mai.runtime.run_folders.record import read_record
from mai.runtime.text.prompts import NOTHING, encode_text
from mai.spec.record import record

if TYPE_CHECKING:
    import pyarrow as pa

    from mai.runtime.model.manifest import Port
    from mai.runtime.model.model import Model


@record
class TextBlock:
    """Texts of some rows.

    Attributes:
        kept: the numbers of the rows that are asked; the others have no text, or one that is too long.
        values: [kept, ...] by input.
        counts: how many tokens a text has, [kept], by input, where the file is asked for that many.
    """

    kept: Array
    values: Mapping[str, Array]
    counts: Mapping[str, Array]


class Texts(Protocol):
    """What reads inputs of a file from texts."""

    @property
    def names(self) -> Sequence[str]:
        """The inputs that are read."""

    def read(self, table: TableFile) -> TextBlock:
        """The texts of a block of rows. Raises `MaiError` for what is no text of these inputs."""

    def notes(self) -> tuple[str, ...]:
        """What was found in all blocks."""


class TrainedTexts:
    """Texts that a spec's `examples` reads: a template, what is cut, and the masks are as in training; what that leaves out or refuses is not asked."""

    def __init__(
        self, model: Model, source: Examples, base: Path, columns: Mapping[str, str], fields: Mapping[str, Type]
    ) -> None:
        self._source = source.but(
            missing="keep" if source.missing == "keep" else "drop", longer="cut" if source.longer == "cut" else "drop"
        )
        self._columns = columns
        self._conversations = conversations_of(source, base)
        read = {*source.texts(fields), *source.masks(fields)}
        self._fields = {name: type_ for name, type_ in fields.items() if name in read}
        self.names: Sequence[str] = [name for name, field in columns.items() if field in read]
        self._tokenizer = opened(model.manifest.tokenizer or "")
        self._free = unmasked_texts(model.inputs, columns)
        self._asked, self._lacking = 0, list[int]()
        self._longer = dict.fromkeys(self._fields, 0)

    def read(self, table: TableFile) -> TextBlock:
        """The texts of a block of rows. Raises `MaiError` as training does."""
        texts = read_texts(self._source, self._tokenizer, self._by_field(table), self._fields, self._conversations)
        total = len(next(iter((table.block or {}).values()), ()))
        self._asked += total
        self._lacking += (np.setdiff1d(np.arange(total), texts.kept) + table.first + 1).tolist()
        for name, count in texts.longer.items():
            self._longer[name] += count
        rows = {name: texts.rows[self._columns[name]] for name in self.names}
        counts = {name: counts_of(rows[name]) for name in self._free if name in rows}
        return TextBlock(
            texts.kept, {n: each[:] for n, each in rows.items()}, {n: c for n, c in counts.items() if c is not None}
        )

    def _by_field(self, table: TableFile) -> TableFile:
        """The table with its columns by the names of fields; a table may call them as the inputs are called."""
        texts = {name: field for name, field in self._columns.items() if field in self._source.texts(self._fields)}
        renamed = {field: table.columns[name] for name, field in texts.items() if name in table.columns}
        return replace(table, columns={**table.columns, **renamed})

    def notes(self) -> tuple[str, ...]:
        """How many texts were cut, and which rows were not asked."""
        longer = {name: count for name, count in self._longer.items() if count and self._source.longer == "cut"}
        notes = [note_of_longer(self._source, name, self._fields[name], n, self._asked) for name, n in longer.items()]
        too_long = ", or one of more tokens than the file takes" if any(self._longer.values()) and not longer else ""
        return (*notes, *_unasked(self._lacking, self._asked, f"has no text{too_long}"))


class PlainTexts:
    """Texts by a file's tokenizer alone, where its training was on no such rows: as a call takes them."""

    def __init__(self, model: Model, names: Sequence[str]) -> None:
        self.names: Sequence[str] = names
        self._model, self._asked, self._lacking = model, 0, list[int]()
        text = model.manifest.text
        self._prompts = {text.prompt} if text is not None else set[str]()

    def read(self, table: TableFile) -> TextBlock:
        """The texts of a block of rows. Raises `MaiError` for what is no text, or is of another length than the file takes."""
        values, counts = dict[str, Array](), dict[str, Array]()
        columns = {name: _texts_of(table, name) for name in self.names}
        lacks = np.any([self._lacks(name, column) for name, column in columns.items()], axis=0)
        kept = np.flatnonzero(~lacks)
        self._asked += len(lacks)
        self._lacking += (np.flatnonzero(lacks) + table.first + 1).tolist()
        for name, column in columns.items():
            texts = [column[row] or "" for row in kept.tolist()]
            if name in self._prompts:  # A call gives text for text.
                values[name] = np.array(texts, object)
                continue
            values[name], count = self._filled(table, self._model.inputs[name], texts, kept)
            if count is not None:
                counts[name] = count
        return TextBlock(kept, values, counts)

    def _lacks(self, name: str, texts: Sequence[str | None]) -> list[bool]:
        """Which texts are missing, as an empty one is where it has no token."""
        port, special = self._model.inputs[name], self._model.manifest.special_tokens
        has_none = not len(encode_text(port, "", self._model.tokenizer, special_tokens=special))
        return [text is None or (not text and has_none) for text in texts]

    def _filled(self, table: TableFile, port: Port, texts: Sequence[str], kept: Array) -> tuple[Array, Array | None]:
        """Tokens [rows, longest], and how many each row has, unless the file takes places without a token."""
        special = self._model.manifest.special_tokens
        rows = [encode_text(port, text, self._model.tokenizer, special_tokens=special) for text in texts]
        counts = np.array([len(row) for row in rows], np.int64)
        (size,) = port.shape
        if isinstance(size, int) and port.minimum != NOTHING and (counts != size).any():
            row = int(np.argmax(counts != size))
            message = f"{table.path}, row {table.first + int(kept[row]) + 1:,}: `{port.name}` takes {size} tokens, this text has {counts[row]}"
            raise bad(message)
        longest = size if isinstance(size, int) else int(counts.max(initial=0))
        filled = np.full((len(rows), max(longest, int(counts.max(initial=0)))), min(0, port.minimum or 0), np.int64)
        filled[np.arange(filled.shape[1]) < counts[:, None]] = np.concatenate(rows) if rows else 0
        return filled, None if isinstance(size, int) or port.minimum == NOTHING else counts

    def notes(self) -> tuple[str, ...]:
        """Which rows were not asked."""
        return _unasked(self._lacking, self._asked, "has no text")


def _unasked(rows: Sequence[int], total: int, why: str) -> tuple[str, ...]:
    """What is said of rows that were not asked, by their numbers; nothing where there are none."""
    return (note_of_unasked([f"row {row:,} {why}" for row in rows], total),) if rows else ()


def texts_of(model: Model, table: TableFile, block: Mapping[str, pa.Array]) -> Texts | None:
    """How the texts of a table are read for a file with a tokenizer; None where it takes none, or these columns are numbers.

    Args:
        block: some rows of the table, by what the file calls its columns.
    """
    names = [name for name, port in model.inputs.items() if takes_text(model.manifest, port)]
    if not names or all(_are_tokens(name, table, block) for name in names):
        return None
    # A prompt is the beginning of what was trained on.
    trained = _trained(model) if model.manifest.text is None else None
    if trained is not None and trained.names:
        return trained
    words = [name for name in names if name in table.columns and is_text(block[table.columns[name]].type)]
    return PlainTexts(model, words) if words else None


def _trained(model: Model) -> TrainedTexts | None:
    program = check_compiled(model, read_record(model.path.parent)).program
    if program is None or not program.trainings:
        return None
    source, export = program.trainings[-1].data, model.manifest.export
    if not isinstance(source, Examples):
        return None
    columns = fields_read(program, export, model.inputs)
    types = types_read(program, export, columns)
    own = {columns[name]: [n for n in port.shape if isinstance(n, int)] for name, port in model.inputs.items()}
    fields = {
        name: replace(type_, shape=tuple(own[name])) if type_.rank == 1 and own[name] else type_
        for name, type_ in types.items()
    }
    return TrainedTexts(model, source, Path(program.source.path).parent, columns, fields)


def _are_tokens(name: str, table: TableFile, block: Mapping[str, pa.Array]) -> bool:
    """Whether a table has numbers of tokens for an input: lists of them, or a column each."""
    if name not in table.columns:
        return name in group_columns([*table.columns])
    return is_list(block[table.columns[name]].type)


def _texts_of(table: TableFile, name: str) -> list[str | None]:
    """The texts of a column, None where one is missing. Raises `MaiError` for other values."""
    texts: list[str | None] = (table.block or {})[table.columns[name]].to_pylist()
    row = next((row for row, text in enumerate(texts) if text is not None and not isinstance(text, str)), None)
    if row is not None:
        raise bad(f"{table.path}, row {table.first + row + 1:,}: `{name}` is no text: {texts[row]!r:.60}")
    return texts
