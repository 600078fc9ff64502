"""Values as they are written on the command line: `y=3`, `y=0..9`, `x=[0.5, 1]`, `x=@points.npy`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from mai.runtime.errors import ModelError
from mai.runtime.manifest import Port

Array = np.ndarray[Any, Any]


def parse_value(port: Port, text: str, batch: int | None) -> Any:
    """The value of `NAME=TEXT` for a port; an input of labels or scalars is repeated to fill `batch`."""
    if text.startswith("@"):
        return _from_file(port, text[1:])
    if ".." in text and port.dtype == "int64":
        made: Any = _range(port, text)
    else:
        made = _literal(port, text)
    if port.kind != "input":
        return made
    array = np.asarray(made)
    if array.ndim == len(port.shape):
        array = array[None]
    return np.resize(array, (batch, *array.shape[1:])) if batch is not None and len(array) != batch else array


def _range(port: Port, text: str) -> list[int]:
    low, _, high = text.partition("..")
    try:
        return list(range(int(low), int(high) + 1))
    except ValueError as error:
        raise ModelError("input-dtype", f"`{port.name}={text}` is no range", "write 0..9") from error


def _literal(port: Port, text: str) -> Any:
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if "," in text and not text.startswith("["):
        text = f"[{text}]"
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        help = "a number, a list [0.5, 1], a range 0..9, or a file @points.npy"
        raise ModelError("input-dtype", f"`{port.name}={text}` is no value", help) from error


def _from_file(port: Port, name: str) -> Array:
    file, _, key = name.partition(":")
    path = Path(file)
    if not path.is_file():
        raise ModelError("input-missing", f"there is no file {path} for `{port.name}`")
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as handle:
                rows = [r for r in csv.reader(handle) if r]
            body = rows if _numeric(rows[0]) else rows[1:]
            return np.array([[float(c) for c in row] for row in body])
        loaded = np.load(path, allow_pickle=False)
        return np.asarray(loaded[key or loaded.files[0]] if hasattr(loaded, "files") else loaded)
    except (ValueError, OSError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise ModelError("input-dtype", f"{path} holds no array for `{port.name}`: {error}") from error


def _numeric(row: list[str]) -> bool:
    try:
        [float(c) for c in row]
    except ValueError:
        return False
    return True
