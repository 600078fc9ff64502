"""Values as they are written on the command line: `y=3`, `y=0..9`, `x=[0.5, 1]`, `x=@points.npy`, `x=-2..2:100`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError
from mai.runtime.files import UNREADABLE, plain_file, read_arrays
from mai.runtime.inputs.arguments import as_array
from mai.runtime.inputs.labels import as_labels
from mai.runtime.inputs.tables import from_csv
from mai.runtime.model.manifest import Manifest, Port

MAX_RANGE = 1_000_000
ARRAYS = (".npy", ".npz", ".csv")
READ = "values are read from .npy, .npz and .csv files; pictures are not read"


def split_word(word: str) -> tuple[str, str]:
    """`NAME=TEXT` in its two parts."""
    name, equals, text = word.partition("=")
    if not equals:
        raise ModelError("input-unknown", f"`{word}` is no input", "write name=value, as in y=3")
    return name, text


def takes_text(manifest: Manifest, port: Port) -> bool:
    """Whether a port takes tokens that the file's tokenizer makes."""
    return bool(manifest.tokenizer) and port.dtype == "int64" and len(port.shape) == 1 and bool(port.classes)


def parse_value(port: Port, text: str, batch: int | None, *, is_text: bool = False, names: Sequence[str] = ()) -> Any:
    """The value of `NAME=TEXT` for a port. Examples of an input are repeated in turn, or cut, to fill `batch`.

    With `is_text` the port takes tokens that a tokenizer makes: TEXT is a text, `@FILE` one in a file. `names` are those of
    the port's labels, for words in a file.
    """
    if is_text and not _is_numbers(text):
        written = _text(port, text)
        return written if batch is None else [written] * batch
    made = _read(port, text, names)
    if is_text and isinstance(made, list) and not _regular(made):
        return made
    if port.kind != "input":
        return made
    array = as_array(port, made)
    if array.ndim == len(port.shape):
        array = array[None]
    if not array.size:
        raise ModelError("input-shape", f"`{port.name}={text}` holds no example")
    return array if batch is None else np.resize(array, (batch, *array.shape[1:]))


def _regular(rows: list[Any]) -> bool:
    """Whether rows are numbers, of one length; several texts, or prompts of different lengths, stay as they are."""
    return not any(isinstance(r, str) for r in rows) and len({len(r) for r in rows if isinstance(r, list)}) < 2


def _is_numbers(text: str) -> bool:
    return text.startswith("[") or (text.startswith("@") and Path(text[1:].partition(":")[0]).suffix in ARRAYS)


def _text(port: Port, text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return plain_file(Path(text[1:])).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError("input-missing", f"cannot read the text {text[1:]} for `{port.name}`: {error}") from error


def _read(port: Port, text: str, names: Sequence[str]) -> Any:
    if text.startswith("@"):
        return _from_file(port, text[1:], names)
    if ".." in text and port.dtype == "int64":
        return _range(port, text)
    if ".." in text and port.kind == "input" and port.dtype == "float32":
        return _grid(port, text)
    return _literal(port, text)


def _range(port: Port, text: str) -> Array:
    low, _, high = text.partition("..")
    try:
        first, last = int(low), int(high)
    except ValueError as error:
        raise ModelError("input-dtype", f"`{port.name}={text}` is no range", "write 0..9") from error
    if last - first >= MAX_RANGE:
        raise ModelError("input-range", f"`{port.name}={text}` is more than {MAX_RANGE:,} examples")
    return np.arange(first, last + 1)


def parse_span(text: str) -> tuple[float, float]:
    """The two numbers of `LOW..HIGH`, the first the smaller. Raises `ModelError`."""
    low, _, high = text.partition("..")
    try:
        span = float(low), float(high)
    except ValueError as error:
        raise ModelError("input-dtype", f"`{text}` is no range of numbers", "write -1..1") from error
    if not -math.inf < span[0] < span[1] < math.inf:
        raise ModelError("input-range", f"`{text}` is no range of numbers: it goes from low to high", "write -1..1")
    return span


def _grid(port: Port, text: str) -> Array:
    """`LOW..HIGH:COUNT`: the points of a regular grid, COUNT along each axis of a port of so many numbers."""
    written, _, count = text.partition(":")
    axes = math.prod(n if isinstance(n, int) else 0 for n in port.shape)
    if len(port.shape) > 1 or axes < 1 or not count.isdecimal() or count in ("0", "1"):
        help = "x=-2..2:100 is 100 x 100 points for an input of two numbers"
        raise ModelError("input-dtype", f"`{port.name}={text}` is no grid for {[*port.shape]}", help)
    if len(count) > 7 or int(count) ** axes > MAX_RANGE:
        raise ModelError("input-range", f"`{port.name}={text}` is more than {MAX_RANGE:,} examples")
    line = np.linspace(*parse_span(written), int(count), dtype=np.float32)
    points = np.stack(np.meshgrid(*(line for _ in range(axes)), indexing="ij"), -1)
    return points.reshape(-1, *(axes,) * len(port.shape))


def _literal(port: Port, text: str) -> Any:
    words = {"true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    if "," in text and not text.startswith("["):
        text = f"[{text}]"
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        help = "a number, a list [0.5, 1], a range 0..9, or a file @points.npy"
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        raise ModelError("input-dtype", f"`{port.name}={shown}` is no value", help) from error


def _from_file(port: Port, name: str, names: Sequence[str]) -> Any:
    """`FILE` or `FILE:NAME`: an array or a column of another name than the port's."""
    file, _, key = name.partition(":")
    path = Path(file)
    if path.is_dir():
        raise ModelError("input-dtype", f"{path} for `{port.name}` is a folder", READ)
    if not path.is_file():
        raise ModelError("input-missing", f"there is no file {path} for `{port.name}`")
    if path.suffix.lower() == ".csv":
        return from_csv(port, path, key, names)
    try:
        arrays = read_arrays(path)
    except UNREADABLE as error:
        if path.suffix.lower() not in ARRAYS:
            raise ModelError("input-dtype", f"{path} holds no array for `{port.name}`", READ) from error
        raise ModelError("input-dtype", f"{path} holds no array for `{port.name}`: {error}") from error
    wanted = key or (port.name if port.name in arrays else next(iter(arrays), ""))
    if wanted not in arrays:
        help = f"it has {', '.join(arrays)}" if any(arrays) else None
        raise ModelError("input-dtype", f"{path} holds no array `{wanted}` for `{port.name}`", help)
    return as_labels(port, names, arrays[wanted]) if port.classes else np.asarray(arrays[wanted])
