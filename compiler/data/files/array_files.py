"""numpy's files: archives of arrays, read as a whole, and plain arrays, of which rows are read as they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.files.array_headers import NUMBERS, WORDS, name_of
from mai.compiler.data.rows import Column, FileRows, Rows, Words, join
from mai.runtime import files
from mai.runtime.inputs.cells import few_of
from mai.spec.diagnostics import MaiError

IN_MEMORY = 1 << 27  # Bytes of a plain array that are read at once.
HEADERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0", (3, 0): "read_array_header_2_0"}
# Of other kinds, what they hold, and what to save instead.
OTHERS = {
    "M": ": it holds dates",
    "m": ": it holds durations",
    "c": ": it holds complex ones",
    "V": ": it has fields of its own",
}
INSTEAD = {
    "M": "save days, `(a - np.datetime64('1970-01-01')) / np.timedelta64(1, 'D')`; a table may hold dates",
    "m": "save numbers of one unit, `a / np.timedelta64(1, 'D')`",
    "c": "save both parts, `np.stack([a.real, a.imag], -1)`",
    "V": "save each field as an array of its own, `a['name']`",
}


def read_arrays(paths: Sequence[Path], fields: Collection[str] | None, key: str | None = None) -> dict[str, Column]:
    """The arrays of files by name, each [n, ...], n being one number for all: of numbers, or of words. Others beside the fields and the `key` of a split are not looked at.

    A plain file has the name of a field, perhaps with a number behind it, `x-0.npy`, `x-1.npy`: then it is a part of it. One alone is
    the one field that there is, whatever it is called.

    Raises:
        MaiError: a file holds no arrays of numbers or words, or files do not fit together.
    """
    parts: dict[str, list[tuple[Path, Column]]] = {}
    archives = [path for path in paths if path.suffix != ".npy"]
    needed = None if fields is None else {*fields, *([key] if key is not None else [])}
    for path in archives:
        for name, array in _archive(path, needed).items():
            parts.setdefault(name, []).append((path, array))
    _check_alike(archives, parts)
    for path in paths:
        if path.suffix == ".npy":
            parts.setdefault(name_of(path, fields, alone=len(paths) == 1), []).append((path, _plain(path)))
    arrays: dict[str, Column] = {}
    for name, each in parts.items():
        _check_shapes(name, each)
        arrays[name] = join([rows for _, rows in each]) if len(each) > 1 else each[0][1]
    _check_lengths(paths, arrays)
    return arrays


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """The shape of a plain array, whether it lies column by column, and the type of its numbers."""
    read = getattr(np.lib.format, HEADERS[np.lib.format.read_magic(file)])
    shape, by_columns, dtype = read(file)
    return shape, by_columns, dtype


def _archive(path: Path, needed: Collection[str] | None) -> dict[str, Column]:
    """The arrays of an archive; where all that are needed are there, these alone."""
    try:
        arrays = files.read_arrays(path, needed)
        if "" in arrays:
            raise ValueError("it holds one array, without a name")
    except files.UNREADABLE as error:
        raise bad(f"{path} is not a numpy .npz file of plain arrays: {error}") from error
    wanted = {n: a for n, a in arrays.items() if needed is None or n in needed or _is_column(a)}
    return {name: _column(path, name, array) for name, array in (wanted or arrays).items()}


def _is_column(array: object) -> bool:
    """Whether an array can be one of the examples'. Others, beside what a spec reads, are passed over."""
    return isinstance(array, np.ndarray) and array.dtype.kind in NUMBERS + WORDS and array.ndim > 0


def _column(path: Path, name: str, array: object) -> Column:
    """An array as a column. Raises `MaiError` for one of other things than numbers and words."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in NUMBERS + WORDS:
        kind = array.dtype.kind if isinstance(array, np.ndarray) else ""
        raise bad(f"{path}: `{name}` is not an array of numbers{OTHERS.get(kind, '')}", help=INSTEAD.get(kind))
    if array.ndim == 0:
        raise _single(path, name)
    if array.dtype.kind in NUMBERS:
        return array
    try:
        return Words.of(np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array)
    except UnicodeDecodeError as error:
        raise bad(f"{path}: the words of `{name}` are bytes that are not UTF-8", help="save them as texts") from error


def _plain(path: Path) -> Column:
    """The rows of a plain array: in memory where they are few, or words, else in the file."""
    try:
        with path.open("rb") as file:
            shape, by_columns, dtype = _header(file)
            offset = file.tell()
    except files.UNREADABLE as error:
        raise bad(f"{path} is not a numpy .npy file: {error}") from error
    if dtype.kind in WORDS:
        return _column(path, path.stem, np.load(path, allow_pickle=False))
    if dtype.kind not in NUMBERS:
        raise bad(f"{path} is not an array of numbers: it holds {dtype}")
    if not shape or min(shape) < 0:
        raise _single(path, path.stem)
    needed, there = int(np.prod(shape, dtype=object)) * dtype.itemsize, path.stat().st_size - offset
    if there < needed:
        raise bad(f"{path} has been cut: its header says {needed:,} bytes, {there:,} are there", help="copy it again")
    if by_columns and len(shape) > 1:
        if needed > IN_MEMORY:
            help = "write it again, row by row: `np.save(path, np.ascontiguousarray(x))`"
            raise bad(f"{path} lies column by column, so that its rows cannot be read one by one", help=help)
        whole: Rows = np.load(path, allow_pickle=False)
        return whole
    rows = FileRows(path, dtype, shape, offset)
    return rows[:] if needed <= IN_MEMORY else rows


def _check_alike(paths: Sequence[Path], parts: Mapping[str, Sequence[tuple[Path, Column]]]) -> None:
    """Raise `MaiError` for archives of which one lacks an array that another has."""
    for name, each in parts.items():
        having = [path for path, _ in each]
        for path in paths:
            if path not in having:
                raise bad(f"{having[0]} has `{name}`, {path} has not")


def _check_shapes(name: str, parts: Sequence[tuple[Path, Column]]) -> None:
    first, rows = parts[0]
    for path, other in parts[1:]:
        if other.shape[1:] != rows.shape[1:]:
            sizes = f"{list(rows.shape[1:])} in {first} and {list(other.shape[1:])} in {path}"
            raise bad(f"an example of `{name}` is {sizes}")


def _check_lengths(paths: Sequence[Path], arrays: Mapping[str, Column]) -> None:
    of = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and the other files"
    lengths = {name: column.shape[0] for name, column in arrays.items()}
    if not any(lengths.values()):
        raise bad(f"the arrays of {of} have no examples" if lengths else f"there are no arrays in {of}")
    if len(set(lengths.values())) > 1:
        each = few_of([f"{length:,} of `{name}`" for name, length in lengths.items()])
        raise bad(f"the arrays of {of} need one common number of examples; there are {each}")


def _single(path: Path, name: str) -> MaiError:
    return bad(f"{path}: `{name}` is one number, and an array has a row for each example", help="`np.full(count, a)`")
