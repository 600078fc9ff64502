"""Arrays of a numpy file, described: shapes, types and ranges, some rows at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import blocks
from mai.compiler.describing.columns.numbers import Numbers
from mai.runtime.arrays import Array
from mai.spec.record import record

MOST_LABELS = 1000
EXAMPLES = 2000  # That are kept, for a picture.


@record
class ArraySummary:
    """One array: its name, shape and type, its numbers, and how many of them are not there (NaN).

    `labels` are how many numbers are in 0, 1, ..., where all are whole and few, or how many words are each of the `words`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    numbers: Numbers
    missing: int
    examples: Array
    labels: tuple[int, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def type_text(self) -> str:
        """The type of a field of it, as a spec writes it."""
        inner = f"[{', '.join(map(str, self.shape[1:]))}]"
        if not self.labels:
            return inner
        return f"class[{len(self.labels)}]" + (inner if len(self.shape) > 1 else "")


@record
class ArraysSummary:
    """The arrays of files together."""

    files: tuple[Path, ...]
    arrays: tuple[ArraySummary, ...]


def summarise_arrays(files: Sequence[Path]) -> ArraysSummary:
    """Every array of `.npz` files, and those of `.npy` files, by their files' names. Raises `MaiError` for what holds no plain arrays."""
    arrays: dict[str, Array] = {}
    for file in files:
        arrays |= _read(file)
    return ArraysSummary(tuple(files), tuple(summarise_array(name, array) for name, array in arrays.items()))


def _read(file: Path) -> dict[str, Array]:
    from mai.runtime.files import UNREADABLE

    try:
        is_one = file.suffix == ".npy"
        if is_one:
            return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False)}
        return _members(file)
    except UNREADABLE as error:
        raise bad(f"{file} is no numpy file of plain arrays: {error}") from error


def _members(file: Path) -> dict[str, Array]:
    """The arrays of an archive; of Python's objects, which are not read, one of them alone that is empty."""
    from mai.runtime.files import PythonObjects, read_arrays

    if not zipfile.is_zipfile(file):
        return read_arrays(file)
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(file) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    for name in names:
        try:
            arrays |= read_arrays(file, [name])
        except PythonObjects:
            arrays[name] = np.zeros(0, object)
    return arrays


def summarise_array(name: str, array: Array) -> ArraySummary:
    """One array, gone through some rows at a time."""
    numbers, missing = Numbers(), 0
    counts: Array | None = np.zeros(0, np.int64)
    if array.dtype.kind in "biuf":
        for block in blocks(np.atleast_1d(array)):
            flat = np.asarray(block, np.float64).reshape(-1)
            there = flat[~np.isnan(flat)]
            missing += len(flat) - len(there)
            numbers.add(there)
            counts = _counted(counts, block)
    words: tuple[str, ...] = ()
    if array.dtype.kind in "US" and array.ndim == 1:
        names, counts = np.unique(array, return_counts=True)
        names = np.char.decode(names, "utf-8", "backslashreplace") if names.dtype.kind == "S" else names
        words = tuple(names.tolist()) if len(names) <= MOST_LABELS else ()
        counts = counts if words else None
    labels = () if counts is None or not (counts > 0).all() else tuple(counts.tolist())
    return ArraySummary(
        name,
        array.shape,
        str(array.dtype.newbyteorder("=")),
        numbers,
        missing,
        np.asarray(array[:EXAMPLES]) if array.ndim else array,
        labels,
        words,
    )


def _counted(counts: Array | None, block: Array) -> Array | None:
    """How often each label is there, with those of a block; None where the numbers are no labels."""
    if counts is None or block.dtype.kind not in "iu" or block.ndim > 1:
        return None
    if block.size and (block.min() < 0 or block.max() >= MOST_LABELS):
        return None
    more = np.bincount(block, minlength=len(counts))
    more[: len(counts)] += counts
    return more
