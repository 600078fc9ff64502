"""Training examples: what batch belongs to a step is a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.compiler.data.column_shapes import read_in_place
from mai.compiler.data.facts import facts_of_rows
from mai.compiler.data.fields import (
    EXACT,
    NO_LABEL,
    bad,
    check_labels,
    check_sizes,
    check_whole,
    match_columns,
    shape_of,
    window,
)
from mai.compiler.data.files.array_gaps import first_row
from mai.compiler.data.label_names import Names, notes_of_single, notes_of_spellings, notes_of_unknown, number_labels
from mai.compiler.data.places import Places
from mai.compiler.data.rows import Column, Columns, Rows, Words, blocks, change, choose, limits, rows_of, unpacked
from mai.compiler.data.source_kinds import Corpus, Endless, Finite, Request, Source
from mai.compiler.data.sources import SOURCES
from mai.compiler.data.splitting.copies import notes_of_copies
from mai.compiler.data.splitting.order import (
    Batches,
    Fields,
    Fresh,
    Order,
    Ordered,
    Placed,
    Table,
    epochs,
    starts,
    told_at,
)
from mai.compiler.data.splitting.splits import HELD_OUT, NoneHeldOut, Parts, usual_parts
from mai.compiler.data.tables.numerals import Decimal
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import Facts
from mai.spec.diagnostics import MaiError
from mai.spec.source import Span

if TYPE_CHECKING:
    from numpy.random import Generator

    from mai.compiler.data.source_kinds import Draw

FieldRows = Mapping[str, Rows]
MOST_WINDOWS = 256
DTYPES: Mapping[DType, type[np.generic]] = {DType.REAL: np.float32, DType.INT: np.int64, DType.BOOL: np.bool_}


@dataclass(frozen=True, slots=True)
class Dataset:
    """The `batches` of steps, of `count` examples; `count` is None for data without end.

    `validation` and `test` are the examples that are not trained on, by field. `tokenizer` is what made the tokens of a text, as a
    manifest states it; `labels` are the names of labels, by field; `notes` say what was found in the files, `facts` the ranges of
    what is trained on, `decimal` the decimal sign of its tables. `where` is the `data` line. `places` are those of the examples to
    `train` on, that are `held_out` and for the `test`, in their files, where these are known. `why` none is held out is said where
    a spec leaves that open.
    """

    batches: Batches
    count: int | None
    validation: FieldRows | None = None
    tokenizer: str | None = None
    labels: Names = field(default_factory=dict)
    test: FieldRows | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Facts] = field(default_factory=dict)
    decimal: Decimal | None = None
    examples: Examples | None = None
    where: Span | None = None
    places: Mapping[str, Places] = field(default_factory=dict)
    why: NoneHeldOut | None = None

    def batch(self, step: int, size: int) -> Fields:
        """All examples of a step, by field."""
        return self.batches.rows(range(step, step + 1), size)

    def sampled(self, name: str, order: Callable[[Array, int], Order], seed: int) -> Batches:
        """Batches of examples that are chosen by one field: `order` of its values and the seed gives their numbers at each step.

        Raises:
            MaiError: the data have no end, so that there is nothing to choose from.
        """
        examples = self.examples
        if examples is None:
            raise bad("`sample` chooses among the rows of a table, and these data are drawn anew for every step")
        chosen, count = order(examples.values(name), seed), examples.count
        return Placed(Ordered(lambda step, size: chosen(step, min(size, count)), examples), self.where)


def load(
    source: Source, fields: Mapping[str, Type], seed: int, base: Path, override: Sequence[Path] | None = None,
    where: Span | None = None, trained_labels: Names | None = None,
) -> Dataset:  # fmt: skip
    """The examples that a `data` line names.

    Args:
        fields: the type of each field, without lead axes.
        base: the folder of the spec; paths in it start there.
        override: files of `--data`, instead of those that the spec names.
        where: the `data` line, at which errors are reported.
        trained_labels: the names of labels that the weights were trained with; they keep their numbers.

    Raises:
        MaiError: `data-missing` or `data-bad`.
    """
    with told_at(where):
        data = _load(source, fields, Request(base, override or (), seed, fields), trained_labels or {})
    return replace(data, batches=Placed(data.batches, where), where=where)


def _load(source: Source, fields: Mapping[str, Type], request: Request, trained_labels: Names) -> Dataset:
    source = read_in_place(source, request.files)
    source.check_fields(fields)
    if len(request.files) > 1 and not source.reads_files:
        raise bad(f"--data: `{source.name}` reads one file, these are {len(request.files)}")
    match source.read(request):
        case Corpus() as corpus:
            return windows_of(corpus, fields, request.seed)
        case Endless(draw):
            return _stream(draw, fields, request.seed)
        case Finite() as finite:
            return _table(finite, source.names_fields, fields, request.seed, trained_labels)


def source_of(path: Path, written: Source) -> Source:
    """The source that reads a file of `--data`, in the place of the one that a spec names: that one, where it reads such files.

    Raises:
        MaiError: none reads it.
    """
    if written.reads_files and (path.is_dir() or written.reads(path)):
        return written.taking(path)
    for model in SOURCES.values():
        source = model.for_file(path, written)
        if source is not None:
            return source
    if written.reads_files:
        return written.taking(path)  # Its name does not say what it is.
    *others, last = sorted({suffix for model in SOURCES.values() for suffix in model.suffixes})
    needed = f"a {', '.join(others)} or {last} file, or a folder of images, is needed for this spec"
    raise bad(f"--data {path}: {needed}")


def _table(finite: Finite, named: bool, fields: Mapping[str, Type], seed: int, trained_labels: Names) -> Dataset:
    """Batches of a table of examples, gone through in epochs."""
    others = [part for part in (finite.held_out, finite.test) if part is not None]
    matched = [match_fields(part, fields, named) for part in (finite.arrays, *others)]
    count = min(column.shape[0] for column in matched[0].values())
    parts = _parts(finite, count)
    numbered, labels = number_labels(matched, fields, trained_labels, parts.train, finite.has_gaps)
    rows, *kept = [typed_rows(part, fields, finite.has_gaps) for part in numbered]
    aside = [_chosen(rows, numbers) for numbers in (parts.held_out, parts.test)]
    for place, part in enumerate((finite.held_out, finite.test)):
        aside[place] = kept.pop(0) if part is not None else aside[place]
    count = count if parts.train is None else len(parts.train)
    examples = Examples(rows, parts.train, count)
    trained = rows if parts.train is None else {name: choose(each, parts.train) for name, each in rows.items()}
    copies = () if finite.parts is not None else notes_of_copies(trained, aside[0], aside[1])
    spelt = tuple(note for field, names in labels.items() for note in notes_of_spellings(field, names))
    single = () if finite.all_of_them else notes_of_single(trained, fields, labels)
    return Dataset(
        Ordered(epochs(count, seed), examples), count, aside[0], finite.tokenizer, labels, aside[1],
        (*finite.notes, *(notes_of_unknown(matched, labels) if finite.has_gaps else ()), *single, *spelt, *copies),
        facts=facts_of_rows(rows, fields, parts.train, finite), decimal=finite.decimal, examples=examples,
        places=_places(finite, parts), why=parts if isinstance(parts, NoneHeldOut) else None,
    )  # fmt: skip


def _places(finite: Finite, parts: Parts) -> dict[str, Places]:
    """The places of what is trained on and of what is not: of rows of the same files, or of other files."""
    places = finite.places
    if places is None:
        return dict(finite.aside)
    numbers = {"held_out": parts.held_out, "test": parts.test}
    own = {name: places.of(rows) for name, rows in numbers.items() if rows is not None}
    return {"train": places if parts.train is None else places.of(parts.train)} | own | dict(finite.aside)


def _parts(finite: Finite, count: int) -> Parts:
    """Which rows are trained on and which are not."""
    if finite.parts is not None:
        return finite.parts
    if finite.split is not None:
        return finite.split.parts(count, None if finite.key is None else rows_of(finite.key)[:])
    return Parts() if finite.all_of_them or finite.held_out is not None else usual_parts(count)


def _chosen(rows: FieldRows, numbers: Array | None) -> FieldRows | None:
    return None if numbers is None else {name: choose(each, numbers) for name, each in rows.items()}


def _stream(draw: Draw, fields: Mapping[str, Type], seed: int) -> Dataset:
    """Batches drawn anew for every step."""

    def typed(generator: Generator, size: int) -> Fields:
        rows = typed_rows(match_fields(draw(generator, size), fields, named=False), fields)
        return {name: each[:] for name, each in rows.items()}

    batches = Fresh(typed, seed)
    batches.rows(range(1), 2)
    return Dataset(batches, None)


@dataclass(frozen=True, slots=True)
class Examples(Table):
    """The rows that are trained on: those that are `chosen`, or all of them; `count` in all."""

    rows: FieldRows
    chosen: Array | None
    count: int

    def take(self, numbers: Array) -> Fields:
        """Some of them, by their numbers among those that are trained on."""
        return self._taken(self.rows, numbers)

    def take_packed(self, numbers: Array) -> Fields:
        """Some of them, as they lie in their files where they take fewer bytes there."""
        return self._taken({name: unpacked(each)[0] for name, each in self.rows.items()}, numbers)

    def unpack(self, fields: Fields) -> Fields:
        """The examples that were taken packed."""
        unpack = {name: unpacked(self.rows[name])[1] or np.asarray for name in fields}
        return {name: unpack[name](each) for name, each in fields.items()}

    def take_fields(self, named: Collection[str], numbers: Array | slice) -> Fields:
        """The named fields of some of them."""
        return self._taken({name: each for name, each in self.rows.items() if name in named}, numbers)

    def _taken(self, rows: FieldRows, numbers: Array | slice) -> Fields:
        numbers = numbers if self.chosen is None else self.chosen[numbers]
        return {name: each[numbers] for name, each in rows.items()}

    def values(self, name: str) -> Array:
        """One field of all of them."""
        values = np.concatenate([*blocks(self.rows[name])])[: self.count if self.chosen is None else None]
        return values if self.chosen is None else values[self.chosen]


@dataclass(frozen=True, slots=True)
class TokenWindows(Table):
    """Windows of the tokens of a text, by their first one."""

    name: str
    tokens: Array
    length: int

    def take(self, numbers: Array) -> Fields:
        return {self.name: self.tokens[numbers[:, None] + np.arange(self.length)]}


def windows_of(corpus: Corpus, fields: Mapping[str, Type], seed: int) -> Dataset:
    """Random windows of a text; the last tenth of it is for validation. Raises `MaiError` where it is too short, or does not fit the field."""
    tokens, (name, length, type_) = corpus.tokens, window(fields)
    classes = type_.classes
    if isinstance(classes, int) and int(tokens.max()) >= classes:
        raise bad(f"the text holds token {int(tokens.max())}, but `vocab` is {classes}")
    cut = held_out_from(tokens, length)
    train, held_out = tokens[:cut], tokens[cut:]
    batches = Ordered(starts(len(train) - length + 1, seed), TokenWindows(name, train, length))
    rows = held_out[: len(held_out) // length * length].reshape(-1, length)[:MOST_WINDOWS]
    return Dataset(batches, None, {name: rows}, corpus.tokenizer, notes=corpus.notes)


def held_out_from(tokens: Array, length: int) -> int:
    """The first token of a text that is for validation: of the last tenth, or the last window. Raises `MaiError` for a short text."""
    cut = len(tokens) - max(length, int(len(tokens) * HELD_OUT))
    if cut < length:
        raise bad(f"the text has {len(tokens):,} tokens, fewer than two windows of {length}")
    return cut


def match_fields(columns: Columns, fields: Mapping[str, Type], named: bool) -> dict[str, Column]:
    """The column of each field. Raises `MaiError` where there is none."""
    return match_columns(columns, _is_whole, fields, named)


def _is_whole(column: Column) -> bool:
    return isinstance(column, Words) or column.dtype.kind in "iu"


def typed_rows(columns: Columns, fields: Mapping[str, Type], has_gaps: bool = False) -> dict[str, Rows]:
    """Columns of numbers as the fields' types have them. Raises `MaiError` for those that do not fit."""
    typed = {name: _as_type(name, column, fields[name], has_gaps) for name, column in columns.items()}
    check_sizes(fields, {name: rows.shape[1:] for name, rows in typed.items()})
    return typed


def _as_type(name: str, column: Column, type_: Type, has_gaps: bool) -> Rows:
    """The rows of a field in its shape: real in 32 bits, whole in 64, or true and false. Raises `MaiError` for those that do not fit."""
    if isinstance(column, Words):
        raise _bad_words(name, column, type_)
    if type_.dtype is DType.INT:
        _check_labels(name, column, type_)
    elif type_.dtype is DType.BOOL:
        _check_truths(name, column)
    elif not has_gaps:
        _check_finite(name, column)
    shape, dtype = shape_of(name, type_, column.shape[1:]), DTYPES[type_.dtype]
    return change(column, lambda array: np.ascontiguousarray(array, dtype).reshape(len(array), *shape))


def _bad_words(name: str, column: Words, type_: Type) -> MaiError:
    holds = f"`{name}` holds words (`{column.first[:60]}`)"
    if type_.dtype is DType.BOOL:
        help = f"write `{name}: class[2]`: label 1 is the word that is later in the alphabet, as `true` and `yes` are"
        return bad(f"{holds}, `bool` takes 0 and 1", help=help)
    return bad(f"{holds}, the spec has real numbers")


def _check_truths(name: str, rows: Rows) -> None:
    """Refuse numbers that are neither 0, for false, nor 1, for true. Raises `MaiError`."""
    for block in blocks(rows):
        wrong = block[(block != 0) & (block != 1)]
        if wrong.size and wrong.flat[0] == NO_LABEL:
            help = (
                f"leave the row out, `missing = drop`; or `{name}: class[3]`, whose last label is for what is missing"
            )
            raise bad(f"`{name}` lacks values, and nothing stands for a truth that is missing", help=help)
        if wrong.size:
            raise bad(f"`{name}` holds {wrong.flat[0]:g}, `bool` takes 0 and 1")


def _check_finite(name: str, rows: Rows) -> None:
    with np.errstate(over="ignore"):
        ends = np.array(limits(rows))
        if rows.dtype.kind != "f" or np.isfinite(ends.astype(np.float32)).all():
            return
    row = first_row(rows, lambda numbers: ~np.isfinite(numbers)) or len(rows)
    if np.isfinite(ends).all():
        message = f"`{name}` holds numbers of more than 3.4e38, the largest of 32 bits: in row {row:,}"
        raise bad(message, help="write it in another unit")
    help = (
        "put a number there; of a table or of arrays, `missing = drop` leaves rows with NaN out, and "
        "`missing = keep` keeps them, for `fill(x)` and `missing(x)`"
    )
    raise bad(f"`{name}` holds values that are not finite (NaN or infinite): in row {row:,}", help=help)


def _check_labels(name: str, rows: Rows, type_: Type) -> None:
    low, high = limits(rows)
    if rows.dtype.kind == "f":
        are_whole = bool(np.isfinite([low, high]).all())
        check_whole(name, are_whole and all(np.array_equal(block, np.floor(block)) for block in blocks(rows)))
        if max(-low, high) >= EXACT:
            raise bad(f"`{name}` holds {max(-low, high):g}, too large for a whole number")
    if len(rows) and np.prod(rows.shape):
        check_labels(name, type_, int(low), int(high))
