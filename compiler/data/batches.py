"""Training examples: what batch belongs to a step is a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.compiler.data.fields import EXACT, bad, check_labels, check_sizes, check_whole, match_columns, shape_of, window
from mai.compiler.data.label_names import Names, is_words, number_labels
from mai.compiler.data.several_files import read_files
from mai.compiler.data.source_kinds import (
    HELD_OUT,
    Corpus,
    DrawsAlone,
    Endless,
    FileSource,
    Finite,
    Request,
    Source,
    generator,
)
from mai.compiler.data.sources import SOURCES
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError, placed
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.data.source_kinds import Draw

Fields = dict[str, Array]
ORDER, HOLD_OUT, FRESH = 1, 2, 3  # What random numbers are for: each has streams of its own.
FEWEST = 20  # Of fewer examples, none is held out.
MOST_WINDOWS = 256


@dataclass(frozen=True, slots=True)
class Dataset:
    """`batch(step, size)` gives arrays by field; `count` is None for data without end.

    `tokenizer` is what made the tokens of a text, as a manifest states it; `labels` are the names of labels, by field.
    """

    batch: Callable[[int, int], Fields]
    count: int | None
    validation: Fields | None = None
    tokenizer: str | None = None
    labels: Names = field(default_factory=dict)


def load(
    source: Source, fields: Mapping[str, Type], seed: int, base: Path, override: Sequence[Path] | None = None,
    where: Span | None = None, known: Names | None = None,
) -> Dataset:  # fmt: skip
    """The examples that a `data` line names.

    Args:
        fields: the type of each field, without lead axes.
        base: the folder of the spec; paths in it start there.
        override: files of `--data`, instead of those that the spec names.
        where: the `data` line, at which errors are reported.
        known: the names of labels that the weights were trained with; they keep their numbers.

    Raises:
        MaiError: `data-missing` or `data-bad`.
    """
    try:
        return _load(source, fields, Request(base, override or (), seed), known or {})
    except MaiError as error:
        raise placed(error, where) from error


def _load(source: Source, fields: Mapping[str, Type], request: Request, known: Names) -> Dataset:
    if request.files and not source.reads_files and not isinstance(source, DrawsAlone):
        source = source_of(request.files[0], source)
    source.check_fields(fields)
    match read_files(source, request):
        case Corpus(tokens, tokenizer):
            return _windows(tokens, tokenizer, fields, request.seed)
        case Endless(draw):
            return _stream(draw, fields, request.seed)
        case Finite() as finite:
            return _table(finite, source.names_fields, fields, request.seed, known)


def source_of(path: Path, written: Source) -> Source:
    """The source that reads a file of `--data`, in the place of the one that a spec names. Raises `MaiError`."""
    for model in SOURCES.values():
        source = model.for_file(path, written)
        if source is not None:
            return source
    *others, last = sorted(m.suffix for m in SOURCES.values() if issubclass(m, FileSource))
    needed = f"a {', '.join(others)} or {last} file, or a folder of images, is needed for this spec"
    raise bad(f"--data {path}: {needed}")


def _table(finite: Finite, named: bool, fields: Mapping[str, Type], seed: int, known: Names) -> Dataset:
    """Batches of a table of examples, gone through in epochs."""
    columns, labels = number_labels(_matched(finite.arrays, fields, named), fields, known)
    arrays, held_out = _typed(columns, fields), None
    if finite.held_out is not None:
        held_out = _typed(_matched(finite.held_out, fields, named), fields)
    elif not finite.all_of_them:
        arrays, held_out = _hold_out(arrays)
    return Dataset(_shuffled(arrays, seed), len(next(iter(arrays.values()))), held_out, labels=labels)


def _stream(draw: Draw, fields: Mapping[str, Type], seed: int) -> Dataset:
    """Batches drawn anew for every step."""

    def batch(step: int, size: int) -> Fields:
        return _typed(_matched(draw(generator(seed, FRESH, step), size), fields, named=False), fields)

    batch(0, 2)
    return Dataset(batch, None)


def _shuffled(arrays: Fields, seed: int) -> Callable[[int, int], Fields]:
    """A new order every epoch; what is left of an epoch that is no whole batch is left out."""
    count = len(next(iter(arrays.values())))
    orders: dict[int, Array] = {}

    def batch(step: int, size: int) -> Fields:
        size = min(size, count)
        epoch, place = divmod(step, count // size)
        if epoch not in orders:
            orders.clear()
            orders[epoch] = generator(seed, ORDER, epoch).permutation(count)
        rows = orders[epoch][place * size : (place + 1) * size]
        return {name: array[rows] for name, array in arrays.items()}

    return batch


def _hold_out(arrays: Fields) -> tuple[Fields, Fields | None]:
    """A tenth of the examples, kept aside for validation: the same whatever the seed, so that seeds can be compared."""
    count = len(next(iter(arrays.values())))
    if count < FEWEST:
        return arrays, None
    order = generator(0, HOLD_OUT).permutation(count)
    cut = max(1, int(count * HELD_OUT))
    return {n: a[order[cut:]] for n, a in arrays.items()}, {n: a[order[:cut]] for n, a in arrays.items()}


def _windows(tokens: Array, tokenizer: str, fields: Mapping[str, Type], seed: int) -> Dataset:
    """Random windows of a text; the last tenth of it is for validation."""
    name, length, type_ = window(fields)
    classes = type_.classes
    if isinstance(classes, int) and int(tokens.max()) >= classes:
        raise bad(f"the text holds token {int(tokens.max())}, but `vocab` is {classes}")
    cut = len(tokens) - max(length, int(len(tokens) * HELD_OUT))
    if cut < length:
        raise bad(f"the text has {len(tokens):,} tokens, fewer than two windows of {length}")
    train, held_out = tokens[:cut], tokens[cut:]

    def batch(step: int, size: int) -> Fields:
        starts = generator(seed, FRESH, step).integers(0, len(train) - length + 1, size)
        return {name: train[starts[:, None] + np.arange(length)]}

    rows = held_out[: len(held_out) // length * length].reshape(-1, length)[:MOST_WINDOWS]
    return Dataset(batch, None, {name: rows}, tokenizer)


def _matched(arrays: Mapping[str, Array], fields: Mapping[str, Type], named: bool) -> Fields:
    return match_columns(arrays, lambda array: array.dtype.kind in "iuU", fields, named)


def _typed(arrays: Fields, fields: Mapping[str, Type]) -> Fields:
    typed = {name: _as_type(name, array, fields[name]) for name, array in arrays.items()}
    check_sizes(fields, {name: array.shape[1:] for name, array in typed.items()})
    return typed


def _as_type(name: str, array: Array, type_: Type) -> Array:
    if type_.dtype is DType.REAL and is_words(array):
        raise bad(f"`{name}` holds words (`{str(array.flat[0])[:60]}`), the spec has real numbers")
    if type_.dtype is DType.REAL:
        array = np.ascontiguousarray(array, np.float32)
        if not np.isfinite(array).all():
            raise bad(f"`{name}` holds values that are not finite (NaN or infinite)")
    else:
        array = _labels(name, array, type_)
    return array.reshape(len(array), *shape_of(name, type_, array.shape[1:]))


def _labels(name: str, array: Array, type_: Type) -> Array:
    if array.dtype.kind == "f":
        check_whole(name, bool(np.isfinite(array).all()) and np.array_equal(array, np.floor(array)))
        if array.size and float(np.abs(array).max()) >= EXACT:
            raise bad(f"`{name}` holds {np.abs(array).max():g}, too large for a whole number")
    array = array.astype(np.int64)
    if array.size:
        check_labels(name, type_, int(array.min()), int(array.max()))
    return array
