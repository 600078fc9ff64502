"""What the headers of numpy's files say, read without numpy, which `mai check` does not load."""

from __future__ import annotations

import re
import zipfile
import zlib
from ast import literal_eval
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from mai.compiler.ir.types import Type

MAGIC = b"\x93NUMPY"
LARGEST = 10_000  # Bytes of a header, as numpy has it: it is evaluated.
UNREADABLE = (OSError, ValueError, SyntaxError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
Shapes = dict[str, tuple[tuple[int, ...], bool]]


def shapes_of(paths: Sequence[Path]) -> Shapes | None:
    """The shape of an example in each array, and whether it is of whole numbers, by the headers; None where they cannot be read."""
    shapes: Shapes = {}
    try:
        for path in paths:
            if path.suffix == ".npy":
                with path.open("rb") as file:
                    shapes[name_of(path, None, alone=False)] = _shape(file)
                continue
            with zipfile.ZipFile(path) as archive:
                for member in archive.namelist():
                    with archive.open(member) as opened:
                        shapes[member.removesuffix(".npy")] = _shape(opened)
    except UNREADABLE:
        return None
    return shapes


def name_of(path: Path, fields: Mapping[str, Type] | None, alone: bool) -> str:
    """The field that a plain file holds: the one that there is, or what the file is called, perhaps with a number behind it."""
    if fields is not None and alone and len(fields) == 1:
        return next(iter(fields))
    return path.stem if fields is not None and path.stem in fields else re.sub(r"(?<=\D)[-_.]?\d+$", "", path.stem)


def _shape(file: IO[bytes]) -> tuple[tuple[int, ...], bool]:
    """The shape after the first axis, and whether the numbers are whole: numpy's format 1, 2 or 3. Raises `ValueError`."""
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
    kind = str(entries.get("descr"))[1:2]
    return entries["shape"][1:], kind in ("i", "u", "b")
