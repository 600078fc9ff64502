"""Training examples: what batch belongs to a step is a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mai.compiler.data.export_source import opened, read_export
from mai.compiler.data.fields import bad, check_labels, check_vocabulary, check_whole, chosen, shape_of, window
from mai.compiler.data.label_names import Names, coded, is_words
from mai.compiler.data.points import generator, sampler
from mai.compiler.data.sources import EXACT, READERS, Read
from mai.compiler.data.tokens import HELD_OUT, tokenised
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.spec import settings as st
from mai.spec.diagnostics import MaiError, placed
from mai.spec.source import Span

Fields = dict[str, Array]
ORDER, HOLD_OUT, FRESH = 1, 2, 3


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
    source: st.Source, fields: Mapping[str, Type], seed: int, base: Path, override: Sequence[Path] | None = None,
    where: Span | None = None, known: Names | None = None,
) -> Dataset:  # fmt: skip
    """The examples that a `data` line names.

    Args:
        fields: the type of each field, without lead axes.
        base: the folder of the spec; paths in it start there.
        override: files of `--data`, instead of those that the spec names.
        where: the `data` line, at which errors are told.
        known: the names of labels that the weights were trained with; they keep their numbers.

    Raises:
        MaiError: `data-missing` or `data-bad`.
    """
    try:
        return _loaded(source, fields, seed, base, override, known or {})
    except MaiError as error:
        raise placed(error, where) from error


def _loaded(
    source: st.Source, fields: Mapping[str, Type], seed: int, base: Path, override: Sequence[Path] | None, known: Names
) -> Dataset:
    if isinstance(source, st.Text):
        check_vocabulary(source, window(fields)[2])
        tokens, stated = tokenised(source, base, override)
        return replace(_windows(tokens, fields, seed), tokenizer=stated)
    if override and not isinstance(source, (st.Npz, st.Csv, st.Images)):
        source = _source_for(override[0], source)
    if isinstance(source, st.Export) and not source.count:
        return _drawn(source, fields, seed, base)
    if isinstance(source, st.Points) and not (isinstance(source, st.Checkerboard) and source.count):
        return _stream(source, fields, seed)
    read: Callable[..., Read] = read_export if isinstance(source, st.Export) else READERS[type(source)]
    train, validation = read(source, base, override, seed)
    named = isinstance(source, (st.Npz, st.Csv))
    picked, labels = coded(_chosen(train, fields, named), fields, known)
    arrays = _typed(picked, fields)
    held = None if validation is None else _fitted(validation, fields, named)
    if held is None and not (isinstance(source, st.Digits) and source.split != "train"):
        arrays, held = _hold_out(arrays, seed)
    return Dataset(_shuffled(arrays, seed), len(next(iter(arrays.values()))), held, labels=labels)


def _source_for(path: Path, written: st.Source) -> st.Source:
    """What kind of source a file of `--data` is; an export in another's place gives as many examples as that."""
    if path.is_dir():
        return st.Images(path=str(path))
    if path.suffix == ".onnx":
        return st.Export(path=str(path.absolute()), count=written.count if isinstance(written, st.Export) else None)
    kinds: dict[str, type[st.Npz] | type[st.Csv]] = {".npz": st.Npz, ".csv": st.Csv}
    if path.suffix not in kinds:
        raise bad(f"--data {path}: a .npz, .csv or .onnx file, or a folder of images, is needed for this spec")
    return kinds[path.suffix](path=str(path))


def _stream(source: st.Points, fields: Mapping[str, Type], seed: int) -> Dataset:
    draw = sampler(source)

    def batch(step: int, size: int) -> Fields:
        points, labels = draw(generator(seed, FRESH, step), size * (source.cloud or 1))
        if source.cloud:
            points, labels = points.reshape(size, source.cloud, 2), labels.reshape(size, source.cloud)
        return _fitted({"x": points, "y": labels}, fields)

    batch(0, 2)
    return Dataset(batch, None)


def _drawn(source: st.Export, fields: Mapping[str, Type], seed: int, base: Path) -> Dataset:
    draw = opened(source, base)

    def batch(step: int, size: int) -> Fields:
        return _fitted(draw(generator(seed, FRESH, step), size), fields)

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
        chosen = orders[epoch][place * size : (place + 1) * size]
        return {name: array[chosen] for name, array in arrays.items()}

    return batch


def _hold_out(arrays: Fields, seed: int) -> tuple[Fields, Fields | None]:
    """A tenth of the examples, chosen by the seed, kept aside for validation."""
    count = len(next(iter(arrays.values())))
    if count < 20:
        return arrays, None
    order = generator(seed, HOLD_OUT).permutation(count)
    cut = max(1, int(count * HELD_OUT))
    return {n: a[order[cut:]] for n, a in arrays.items()}, {n: a[order[:cut]] for n, a in arrays.items()}


def _windows(tokens: Array, fields: Mapping[str, Type], seed: int) -> Dataset:
    """Random windows of a text; the last tenth of it is for validation."""
    name, length, type_ = window(fields)
    classes = type_.classes
    if isinstance(classes, int) and int(tokens.max()) >= classes:
        raise bad(f"the text holds token {int(tokens.max())}, but `vocab` is {classes}")
    cut = len(tokens) - max(length, int(len(tokens) * HELD_OUT))
    if cut < length:
        raise bad(f"the text has {len(tokens):,} tokens, fewer than two windows of {length}")
    train, held = tokens[:cut], tokens[cut:]

    def batch(step: int, size: int) -> Fields:
        starts = generator(seed, FRESH, step).integers(0, len(train) - length + 1, size)
        return {name: train[starts[:, None] + np.arange(length)]}

    rows = held[: len(held) // length * length].reshape(-1, length)[:256]
    return Dataset(batch, None, {name: rows})


def _fitted(arrays: Mapping[str, Array], fields: Mapping[str, Type], named: bool = False) -> Fields:
    """Arrays by the spec's fields, in its shapes."""
    return _typed(_chosen(arrays, fields, named), fields)


def _chosen(arrays: Mapping[str, Array], fields: Mapping[str, Type], named: bool) -> Fields:
    return chosen(arrays, lambda array: array.dtype.kind in "iuU", fields, named)


def _typed(arrays: Fields, fields: Mapping[str, Type]) -> Fields:
    return {name: _as_type(name, array, fields[name]) for name, array in arrays.items()}


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
