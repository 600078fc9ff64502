"""Labels by the names that they have in the data: `y=cat` for `y=3`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Manifest, Port


def label_names(manifest: Manifest, port: Port) -> list[str]:
    """The names of a port's labels: those of the field of its name, or of the one with as many, but for one more for none."""
    if not port.classes:
        return []
    own = manifest.labels.get(port.name, [])
    return own or names_by_count(manifest, port.classes) or names_by_count(manifest, port.classes - 1)


def names_by_count(manifest: Manifest, count: int) -> list[str]:
    """The names of the one field that has so many labels; none where there is none or more than one."""
    found = [names for names in manifest.labels.values() if len(names) == count]
    return found[0] if len(found) == 1 else []


def result_names(manifest: Manifest, port: Port) -> list[str]:
    """The names of what a result tells apart: of labels, or of the classes that it has a number for each of."""
    if port.dtype == "int64":
        return label_names(manifest, port)
    size = port.shape[0] if len(port.shape) == 1 else None
    return names_by_count(manifest, size) if isinstance(size, int) else []


def as_labels(port: Port, names: Sequence[str], value: Any) -> Any:
    """A name, or names in lists or arrays, as labels; anything else as it is.

    Raises:
        ModelError: there is no such name, or no name at all, or names and numbers are mixed.
    """
    if hasattr(value, "__array__") and np.asarray(value).dtype.kind in "UOT":
        value = np.asarray(value).tolist()
    if isinstance(value, str):
        return _number(port, names, value)
    if not isinstance(value, (list, tuple)):
        return value
    words = [isinstance(v, str) for v in value]
    if any(words) and not all(words):
        told = f"`{str(value[words.index(True)])[:60]}` and `{str(value[words.index(False)])[:60]}`"
        raise ModelError("input-dtype", f"`{port.name}` mixes names and numbers: {told}")
    return [as_labels(port, names, v) for v in value]


def labels_to_numbers(port: Port, names: Sequence[str], text: str) -> str:
    """`cat`, `cat, dog` or `["cat", "dog"]` as the numbers that a command line takes; anything else as it is."""
    words = _words(text)
    named = [isinstance(word, str) and (word in names or word[:1].isalpha()) for word in words]
    if not port.classes or not any(named) or (port.shape and not names):
        return text
    return ", ".join(map(str, as_labels(port, names, words)))


def _words(text: str) -> list[Any]:
    """The values of a list, or one value; what is no JSON as words."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return [word.strip().strip("\"'") for word in text.strip("[]").split(",")]
    return read if isinstance(read, list) else [read]


def _number(port: Port, names: Sequence[str], name: str) -> int:
    if name in names:
        return names.index(name)
    if not names:
        raise ModelError("input-dtype", f"`{port.name}` takes numbers: this file has no names of labels")
    near = get_close_matches(name, names, n=1)
    help = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names)}"
    raise ModelError("input-range", f"`{port.name}` has no label `{name[:60]}`", help)
