"""Labels by the names that they have in the data: `y=cat` for `y=3`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Manifest, Port

MAX_SHOWN = 60  # Characters of a wrong word that a message repeats.


def label_names(manifest: Manifest, port: Port) -> list[str]:
    """The names of a port's labels, in the order of their numbers; empty where it has none.

    They are those of the data field of the port's own name, else of the one field with as many labels, or with one fewer:
    guidance adds a label that means none.
    """
    if not port.classes:
        return []
    own = manifest.labels.get(port.name, [])
    return own or names_by_count(manifest, port.classes) or names_by_count(manifest, port.classes - 1)


def names_by_count(manifest: Manifest, count: int) -> list[str]:
    """The names of the one data field that has `count` labels; empty where no field has, or several have."""
    fields = [names for names in manifest.labels.values() if len(names) == count]
    return fields[0] if len(fields) == 1 else []


def result_names(manifest: Manifest, port: Port) -> list[str]:
    """The names of what an output tells apart: the values of a label, or the classes of a vector with a number for each."""
    if port.dtype == "int64":
        return label_names(manifest, port)
    size = port.shape[0] if len(port.shape) == 1 else None
    return names_by_count(manifest, size) if isinstance(size, int) else []


def as_labels(port: Port, names: Sequence[str], value: Any) -> Any:
    """A name, or names in nested lists or arrays, as the numbers of labels; anything else as it is.

    Raises:
        ModelError: there is no such name, or no name at all, or names and numbers are mixed.
    """
    if hasattr(value, "__array__") and np.asarray(value).dtype.kind in "UOT":
        value = np.asarray(value).tolist()
    if isinstance(value, str):
        return _label(port, names, value)
    if not isinstance(value, (list, tuple)):
        return value
    is_word = [isinstance(v, str) for v in value]
    if any(is_word) and not all(is_word):
        word, number = (str(value[is_word.index(kind)])[:MAX_SHOWN] for kind in (True, False))
        raise ModelError("input-dtype", f"`{port.name}` mixes names and numbers: `{word}` and `{number}`")
    return [as_labels(port, names, v) for v in value]


def labels_to_numbers(port: Port, names: Sequence[str], text: str) -> str:
    """Words of the command line that name labels, `cat`, `cat, dog` or `["cat", "dog"]`, as the text of their numbers.

    Any other text is returned as it is.

    Raises:
        ModelError: as `as_labels` does.
    """
    words = _words(text)
    named = [isinstance(word, str) and (word in names or word[:1].isalpha()) for word in words]
    if not port.classes or not any(named) or (port.shape and not names):
        return text
    return ", ".join(map(str, as_labels(port, names, words)))


def _words(text: str) -> list[object]:
    """The values of a JSON list, or one value; the words between commas where the text is no JSON."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return [word.strip().strip("\"'") for word in text.strip("[]").split(",")]
    return values if isinstance(values, list) else [values]


def _label(port: Port, names: Sequence[str], name: str) -> int:
    """The number of the label with this name."""
    if name in names:
        return names.index(name)
    if not names:
        raise ModelError("input-dtype", f"`{port.name}` takes numbers: this file has no names of labels")
    near = get_close_matches(name, names, n=1)
    help = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names)}"
    raise ModelError("input-range", f"`{port.name}` has no label `{name[:MAX_SHOWN]}`", help)
