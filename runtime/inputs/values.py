"""Values in the notation of the command line: `y=3`, `y=0..9`, `x=[0.5, 1]`, `x=@points.npy`, `x=-2..2:100`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import UNREADABLE, plain_file, read_arrays, reason
from mai.runtime.inputs.arguments import as_array
from mai.runtime.inputs.cells import MISSING
from mai.runtime.inputs.counted_dates import TrainedDates
from mai.runtime.inputs.dates import as_days
from mai.runtime.inputs.labels import as_labels
from mai.runtime.inputs.tables import from_csv
from mai.runtime.model.manifest import Manifest, Port

PARTS = re.compile(r"([\[\],])")  # What stands around the values of lists.
MAX_EXAMPLES = 1_000_000  # That a range or a grid makes.
MAX_SHOWN = 60  # Characters of a wrong value that a message repeats.
ARRAY_FILES = (".npy", ".npz", ".csv")
READABLE = "values are read from .npy, .npz and .csv files; pictures are not read"


def split_word(word: str) -> tuple[str, str]:
    """The two parts of `NAME=TEXT`.

    Raises:
        ModelError: `input-unknown`: there is no `=` in it.
    """
    name, equals, text = word.partition("=")
    if not equals:
        help = "a command takes one compiled file" if word.endswith(".onnx") else "write name=value, as in y=3"
        raise ModelError("input-unknown", f"`{word}` is no input", help)
    return name, text


def takes_text(manifest: Manifest, port: Port) -> bool:
    """Whether a port takes the tokens that the file's tokenizer makes of a text."""
    return bool(manifest.tokenizer) and port.dtype == "int64" and len(port.shape) == 1 and bool(port.classes)


def parse_value(
    port: Port, text: str, batch: int | None, *, is_text: bool = False, names: Sequence[str] = (),
    dates: TrainedDates | None = None,
) -> Any:  # fmt: skip
    """The value of `NAME=TEXT` for a port.

    Args:
        port: the input or setting NAME.
        text: a number, a list, a range `0..9`, a grid `-2..2:100` or `0..1,-5..5:100,20`, or a file `@points.npy`.
        batch: how many examples there are; those of an input are repeated in turn, or cut, to be as many.
        is_text: whether the port takes tokens that a tokenizer makes: then TEXT is a text, or `@FILE` with one.
        names: the names of the port's labels, which a file may hold.
        dates: how the port's numbers are written as dates, which a file may hold, too, and of what time those of the data were.

    Returns:
        An array [batch, ...] for an input; for tokens a text, or lists that a tokenizer or the prompt's reader takes; for a
        setting its number.

    Raises:
        ModelError: the text is no value for the port, or a file cannot be read.
    """
    if is_text and not _is_array(text):
        prompt = _read_text(port, text)
        return prompt if batch is None else [prompt] * batch
    value = _read(port, text, names, dates)
    if is_text and isinstance(value, list) and not _is_regular(value):
        return value
    if port.kind != "input":
        return value
    array = as_array(port, value)
    if array.ndim == len(port.shape):
        array = array[None]
    if not array.size:
        raise ModelError("input-shape", f"`{port.name}={text}` holds no example")
    return array if batch is None else np.resize(array, (batch, *array.shape[1:]))


def _is_regular(rows: list[object]) -> bool:
    """Whether rows are numbers of one length, which make an array; several texts, or prompts of different lengths, do not."""
    return not any(isinstance(r, str) for r in rows) and len({len(r) for r in rows if isinstance(r, list)}) < 2


def _is_array(text: str) -> bool:
    """Whether what is written is a list, or a file of arrays, and no text."""
    return text.startswith("[") or (text.startswith("@") and Path(text[1:].partition(":")[0]).suffix in ARRAY_FILES)


def _read_text(port: Port, text: str) -> str:
    """A text as it is written, or that of `@FILE`."""
    if not text.startswith("@"):
        return text
    try:
        return plain_file(Path(text[1:])).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            "input-missing", f"cannot read the text {text[1:]} for `{port.name}`: {reason(error)}"
        ) from error


def _read(port: Port, text: str, names: Sequence[str], dates: TrainedDates | None) -> object:
    if text.startswith("@"):
        return _from_file(port, text[1:], names, dates)
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
    if last - first >= MAX_EXAMPLES:
        raise ModelError("input-range", f"`{port.name}={text}` is more than {MAX_EXAMPLES:,} examples")
    return np.arange(first, last + 1)


def parse_span(text: str) -> tuple[float, float]:
    """The two numbers of `LOW..HIGH`.

    Raises:
        ModelError: they are no finite numbers, or LOW is not below HIGH.
    """
    low, _, high = text.partition("..")
    try:
        span = float(low), float(high)
    except ValueError as error:
        raise ModelError("input-dtype", f"`{text}` is no range of numbers", "write -1..1") from error
    if not -math.inf < span[0] < span[1] < math.inf:
        raise ModelError("input-range", f"`{text}` is no range of numbers: it goes from low to high", "write -1..1")
    return span


def _grid(port: Port, text: str) -> Array:
    """The points of a regular grid, [number of points, n] for a port of n numbers, [number of points] for one of a scalar.

    `LOW..HIGH:COUNT` is the range and the count of every axis; `0..1,-5..5:100,20` has one for each.
    """
    spans, _, count = text.partition(":")
    axes = math.prod(n if isinstance(n, int) else 0 for n in port.shape)
    lines, counts = _each(spans, axes), _each(count, axes)
    if (
        len(port.shape) > 1
        or axes < 1
        or not lines
        or not counts
        or any(not n.isdecimal() or n in ("0", "1") for n in counts)
    ):
        help = f"{port.name}=-2..2:100 is 100 numbers, of an input of two numbers 100 x 100 points; {port.name}=0..1,-5..5:100,20 has a range and a count for each"
        raise ModelError(
            "input-dtype",
            f"`{port.name}={text}` is no grid for {[*port.shape]}{'' if count else ': it says no count'}",
            help,
        )
    if any(len(n) > 7 for n in counts) or math.prod(map(int, counts)) > MAX_EXAMPLES:
        raise ModelError("input-range", f"`{port.name}={text}` is more than {MAX_EXAMPLES:,} examples")
    places = [np.linspace(*parse_span(span), int(n), dtype=np.float32) for span, n in zip(lines, counts, strict=True)]
    points = np.stack(np.meshgrid(*places, indexing="ij"), -1)
    return points.reshape(-1, *(axes,) * len(port.shape))


def _each(text: str, axes: int) -> list[str]:
    """What is written for each axis, between commas, or once for all of them; nothing where it is for another number of axes."""
    parts = [part.strip() for part in text.split(",")]
    parts = parts * axes if len(parts) == 1 else parts
    return parts if len(parts) == axes else []


def _literal(port: Port, text: str) -> object:
    """A number, a truth value or a list, in JSON's notation; a list may do without its brackets. A real input may be missing, as cells of tables are."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "," in text and not text.startswith("["):
        text = f"[{text}]"
    if port.kind == "input" and port.dtype == "float32":
        text = (
            "".join(
                "NaN" if part.strip() and part.strip().lower() in MISSING else part
                for part in PARTS.split(text.strip())
            )
            or "NaN"
        )
    try:
        value: object = json.loads(text)
        return value
    except (ValueError, RecursionError) as error:
        help = "a number, a list [0.5, 1], a range 0..9, or a file @points.npy"
        shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
        raise ModelError("input-dtype", f"`{port.name}={shown}` is no value", help) from error


def _from_file(port: Port, word: str, names: Sequence[str], dates: TrainedDates | None) -> object:
    """The array or the columns in `FILE`, or in `FILE:NAME` those called NAME and not as the port is."""
    file, _, key = word.partition(":")
    path = Path(file)
    if path.is_dir():
        raise ModelError("input-dtype", f"{path} for `{port.name}` is a folder", READABLE)
    if not path.is_file():
        raise ModelError("input-missing", f"there is no file {path} for `{port.name}`")
    if path.suffix.lower() == ".csv":
        return from_csv(port, path, key, names, dates)
    try:
        arrays = read_arrays(path)
    except UNREADABLE as error:
        if path.suffix.lower() not in ARRAY_FILES:
            raise ModelError("input-dtype", f"{path} holds no array for `{port.name}`", READABLE) from error
        raise ModelError("input-dtype", f"{path} holds no array for `{port.name}`: {reason(error)}") from error
    wanted = key or (port.name if port.name in arrays else next(iter(arrays), ""))
    if wanted not in arrays:
        help = f"it has {', '.join(arrays)}" if any(arrays) else None
        raise ModelError("input-dtype", f"{path} holds no array `{wanted}` for `{port.name}`", help)
    array = np.asarray(arrays[wanted])
    if dates is not None:
        return as_days(port, dates, array)
    return as_labels(port, names, array) if port.classes else array
