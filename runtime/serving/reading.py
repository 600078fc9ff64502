"""What a request says, as the inputs and settings of a call."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import UNREADABLE
from mai.runtime.inputs.arguments import in_digits
from mai.runtime.inputs.dates import as_days, as_moments, dates_of, far_dates
from mai.runtime.inputs.labels import as_labels, label_names, missing_value, unknown_words
from mai.runtime.inputs.values import takes_text
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.serving.images import image_size, read_images
from mai.runtime.serving.options import Options

JSON, NPZ, NPY = "application/json", "application/x-npz", "application/x-npy"
NOT_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}  # As JSON has no word for them.
OF_DRAWS = ("seed", "example")  # Settings that say which draws: any numbers.
BATCH = "batch"  # The number of examples: the first size of every input, and a setting of a file without inputs.
MOST_NUMBERS = 2**28  # Of the inputs of a call.
MOST_TURNS = 100_000  # Of a loop, where nobody says another limit: they take a core for a long time, and a path keeps each of them.


def read_json(raw: bytes) -> dict[str, object]:
    """A JSON object. Raises `ModelError`, `body-unreadable`, where it is none, or says a name twice."""
    try:
        value = json.loads(raw or b"{}", object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ModelError("body-unreadable", f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(
            "body-unreadable", "the body is no JSON object", 'inputs and settings by name: {"x": [0.5, 1]}'
        )
    return value


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    counts = Counter(name for name, _ in pairs)
    for name, count in counts.items():
        if count > 1:
            raise ValueError(f"`{name}` is said {count} times")
    return dict(pairs)


def read_arrays(raw: bytes, kind: str, inputs: list[str], most: int) -> dict[str, object]:
    """The arrays of a body that is a .npz, by name, or a .npy, for the only input. Nothing in them is executed.

    Raises:
        ModelError: `body-unreadable`: it is none; `body-too-large`: unpacked it has more bytes than `most`.
    """
    file = io.BytesIO(raw)
    try:
        if kind == NPZ:
            with zipfile.ZipFile(file) as archive:
                size = sum(member.file_size for member in archive.infolist())
            if size > most:
                raise ModelError(
                    "body-too-large", f"unpacked the body has {size:,} bytes, and at most {most:,} are read"
                )
            file.seek(0)
        loaded = np.load(file, allow_pickle=False)
    except UNREADABLE as error:
        raise ModelError("body-unreadable", f"the body is no {kind}: {error}") from error
    if isinstance(loaded, np.lib.npyio.NpzFile):
        return _members(loaded)
    if len(inputs) != 1:
        raise ModelError("body-unreadable", f"a .npy is one array, this file takes {', '.join(inputs)}", "send a .npz")
    return {inputs[0]: loaded}


def _members(loaded: np.lib.npyio.NpzFile) -> dict[str, object]:
    """The arrays by name; one without axes is a number."""
    try:
        return {name: loaded[name] for name in loaded.files}
    except UNREADABLE as error:
        raise ModelError("body-unreadable", f"the body is no {NPZ}: {error}") from error


def as_call_values(manifest: Manifest, values: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """The values of a request as a call takes them, and notes on them.

    Images in base64 become numbers, `null` a gap where the input has an answer for one, "NaN" and "Infinity" what they say. A word that
    training never saw gets a note.

    Raises:
        ModelError: a text is no image, or a label has no such name.
    """
    ports = {port.name: port for port in [*manifest.inputs, *manifest.settings]}
    notes: list[str] = []
    taken = {name: _value(manifest, ports[name], v, notes) if name in ports else v for name, v in values.items()}
    return taken, notes


def _value(manifest: Manifest, port: Port, value: object, notes: list[str]) -> object:
    names = label_names(manifest, port)
    if port.dtype == "float32":
        if image_size(port) and _has_text(value):
            return _images(manifest, port, value)
        if port.kind != "input":
            return value
        return _as_moments(manifest, port, _numbers(value, missing_value(port, names)), notes)
    if not port.classes or not names:
        return value
    unknown: Counter[str] = Counter()
    labels = as_labels(port, names, value, unknown)
    notes += [unknown_words(port.name, unknown)] if unknown else []
    return labels


def _has_text(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and any(isinstance(v, str) for v in value))


def _images(manifest: Manifest, port: Port, value: Any) -> Array:
    """One image [...] or several [batch, ...]."""
    facts = manifest.facts.get(port.name)
    if isinstance(value, str):
        image: Array = read_images(port, [value], facts)[0]
        return image
    if not all(isinstance(each, str) for each in value):
        raise ModelError("input-dtype", f"`{port.name}` mixes images in base64 and numbers")
    return read_images(port, value, facts)


def _as_moments(manifest: Manifest, port: Port, numbers: object, notes: list[str]) -> object:
    """Where the data had dates, these as moments, of which those that are far from the data's are noted; other numbers as they are."""
    dates, far = dates_of(manifest, port), Counter[str]()
    if dates is None:
        return numbers
    days = as_days(port, dates, numbers, far)
    notes += [far_dates(port.name, dates, far)] if far else []
    return as_moments(days) if isinstance(days, np.ndarray) else days


def _numbers(value: object, missing: float | None) -> object:
    """Nested lists with what is `missing` for `null`, and numbers for the words for what is none."""
    if isinstance(value, list):
        return [_numbers(each, missing) for each in value]
    if value is None:
        return missing
    return NOT_NUMBERS.get(value, value) if isinstance(value, str) else value


def check_room(options: Options, manifest: Manifest, values: Mapping[str, object]) -> None:
    """Check, before arrays are made of them, that the inputs of a request are not too many.

    One example is repeated beside many of another input, and rows of tokens are filled up to the longest: a small body may come to much.

    Raises:
        ModelError: `input-range`: it has more examples than the service allows; `body-too-large`: it comes to too many numbers.
    """
    counts = [_count(manifest, port, values[port.name]) for port in manifest.inputs if port.name in values]
    examples = max((count for count, _ in counts), default=1)
    _check_most(BATCH, examples, options.examples)
    check_numbers(examples, sum(size for _, size in counts))


def check_numbers(examples: int, each: int) -> None:
    """Check how many numbers some examples come to together. Raises `ModelError`, `body-too-large`."""
    if examples * each > MOST_NUMBERS:
        message = f"{examples:,} examples, of up to {each:,} numbers, are more than {MOST_NUMBERS:,} together"
        raise ModelError("body-too-large", message)


def _count(manifest: Manifest, port: Port, value: Any) -> tuple[int, int]:
    """How many examples a value of an input has, and how many numbers the largest of them has at most."""
    of_text = len(port.shape) if image_size(port) or takes_text(manifest, port) else 0
    if _rank(value, of_text) <= len(port.shape):
        return 1, _size(port, value)
    return len(value), max((_size(port, each) for each in value), default=0)


def _rank(value: Any, of_text: int) -> int:
    """How many axes nested lists have, by their first entries; a text at the end stands for some."""
    rank = 0
    while isinstance(value, list) and value:
        value, rank = value[0], rank + 1
    return rank + (of_text if isinstance(value, str) else np.ndim(value))


def _size(port: Port, value: Any) -> int:
    """How many numbers a value comes to: an image as many as the port has, any other text one for each letter."""
    if isinstance(value, str):
        return math.prod(image_size(port) or (len(value),))
    if not isinstance(value, list):
        return np.size(value)
    is_nested = bool(value) and isinstance(value[0], (list, str))
    return sum(_size(port, each) for each in value) if is_nested else len(value)


def check_limits(options: Options, manifest: Manifest, feed: Mapping[str, Array]) -> None:
    """Check that a call is as small as the service allows: its examples, its steps, and the settings and the free sizes that have a limit.

    Raises:
        ModelError: `input-range`: it is not.
    """
    usual = {p.name: max(MOST_TURNS, p.default or 0) for p in manifest.settings if _counts_turns(p)}
    limits = {**usual, **options.limits}
    for name, number in _asked(manifest, feed).items():
        _check_most(name, number, options.examples if name == BATCH else limits.get(name, math.inf))


def _counts_turns(port: Port) -> bool:
    """Whether a setting says how many there are of something, as steps or turns: a whole number from 0 up that is of no draw."""
    is_open = port.minimum is not None and port.minimum >= 0 and port.maximum is None
    return port.dtype == "int64" and not port.classes and is_open and port.name not in OF_DRAWS


def _check_most(name: str, number: float, most: float) -> None:
    if number > most:
        raise ModelError(
            "input-range", f"`{name}` is at most {in_digits(most)} here, this asks for {in_digits(number)}"
        )


def _asked(manifest: Manifest, feed: Mapping[str, Array]) -> dict[str, float]:
    """The numbers of a call that may have a limit: its settings, its free sizes, and how many examples it has."""
    asked = {p.name: float(feed[p.name]) for p in manifest.settings if p.name in feed}
    for port in manifest.inputs:
        sizes = zip([BATCH, *port.shape], feed[port.name].shape, strict=True)
        asked.update({name: float(size) for name, size in sizes if isinstance(name, str)})
    return asked
