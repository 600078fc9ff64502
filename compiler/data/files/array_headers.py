"""What the headers of numpy's files say, read without numpy, which `mai check` does not load."""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from ast import literal_eval
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO

MAGIC = b"\x93NUMPY"
FLOATS = {"f2": "e", "f4": "f", "f8": "d"}  # The letters of `struct` for numpy's kinds.
NUMBERS, WORDS = "biuf", "US"  # Kinds of numpy's types.
LARGEST = 10_000  # Bytes of a header, as numpy has it: it is evaluated.
UNREADABLE = (
    OSError, ValueError, SyntaxError, RuntimeError, MemoryError, OverflowError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
Shapes = dict[str, tuple[tuple[int, ...], bool]]


def shapes_of(paths: Sequence[Path]) -> Shapes | None:
    """The shape of an example in each array, and whether it is of whole numbers, by the headers; None where they cannot be read."""
    try:
        return {name: _shape(file) for name, file in _opened(paths)}
    except UNREADABLE:
        return None


def names_of_columns(path: Path) -> list[str]:
    """The arrays of an archive that have one number or word for each example; none where a header cannot be read."""
    try:
        headers = {name: _header(file) for name, file in _opened([path])} if path.suffix != ".npy" else {}
    except UNREADABLE:
        return []
    return [name for name, (shape, kind) in headers.items() if len(shape) == 1 and kind[1:2] in NUMBERS + WORDS]


def has_unfinite(paths: Sequence[Path], names: Collection[str]) -> bool:
    """Whether the real numbers of one of these arrays are not all finite, or their sum is not."""
    alone = len(paths) == 1 and paths[0].suffix == ".npy"
    try:
        return any(_is_unfinite(file) for name, file in _opened(paths) if alone or name in names)
    except UNREADABLE:
        return False


def _opened(paths: Sequence[Path]) -> Iterator[tuple[str, IO[bytes]]]:
    """Each array's name and its file, open at its begin."""
    for path in paths:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                yield name_of(path, None, alone=False), file
            continue
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as opened:
                    yield member.removesuffix(".npy"), opened


def name_of(path: Path, fields: Collection[str] | None, alone: bool) -> str:
    """The field that a plain file holds: the one that there is, or what the file is called, perhaps with a number behind it."""
    if fields is not None and alone and len(fields) == 1:
        return next(iter(fields))
    return path.stem if fields is not None and path.stem in fields else re.sub(r"(?<=\D)[-_.]?\d+$", "", path.stem)


def _shape(file: IO[bytes]) -> tuple[tuple[int, ...], bool]:
    """The shape after the first axis, and whether the numbers are whole. Raises `ValueError`."""
    shape, kind = _header(file)
    return shape[1:], kind[1:2] in ("i", "u", "b")


def _is_unfinite(file: IO[bytes]) -> bool:
    _, kind = _header(file)
    if kind[1:] not in FLOATS:
        return False
    numbers, size = file.read(), int(kind[2:])
    order = ">" if kind[0] == ">" else "<"
    return not math.isfinite(sum(struct.unpack(f"{order}{len(numbers) // size}{FLOATS[kind[1:]]}", numbers)))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], str]:
    """The shape and the kind of numbers, as `<f4`: numpy's format 1, 2 or 3. Raises `ValueError`."""
    start = file.read(8)
    if start[:6] != MAGIC or start[6] not in (1, 2, 3):
        raise ValueError("no file of numpy")
    length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
    header = file.read(length)
    if length > LARGEST or len(header) < length:
        raise ValueError("no header of numpy")
    entries = literal_eval(header.decode("utf-8" if start[6] == 3 else "latin-1").strip())
    if not isinstance(entries, dict) or not isinstance(entries.get("shape"), tuple):
        raise ValueError("no header of numpy")
    return entries["shape"], str(entries.get("descr"))
