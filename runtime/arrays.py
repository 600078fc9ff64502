"""The type of numpy arrays of any dtype and any number of axes, and many of them as one file."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

Array = np.ndarray[Any, Any]


def as_npz(arrays: Mapping[str, Array], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Arrays of any shapes, by name, as the bytes of a .npz."""
    raw = io.BytesIO()
    write_npz(raw, arrays, compression)
    return raw.getvalue()


def write_npz(file: Path | IO[bytes], arrays: Mapping[str, Array], compression: int = zipfile.ZIP_STORED) -> None:
    """Write arrays of any shapes, by name, as a .npz.

    Any name will do. `np.savez` takes some for its own arguments, as `file`.
    """
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.save(member, array, allow_pickle=False)


def with_words(value: object, nan: object = "NaN") -> object:
    """A value of lists and objects for JSON, which knows finite numbers alone: the others as "NaN", or what is to stand for it, "Infinity", "-Infinity"."""
    if isinstance(value, dict):
        return {name: with_words(each, nan) for name, each in value.items()}
    if isinstance(value, list):
        return [with_words(each, nan) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, nan)
    return value
