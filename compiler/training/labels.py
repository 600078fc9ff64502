"""Labels that data have as words: their numbers, in alphabetical order, and their names in the weights of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.training.fields import bad
from mai.compiler.weights.files import TensorFiles

Array = np.ndarray[Any, Any]
Names = Mapping[str, tuple[str, ...]]
LABELS = "mai.labels"
SHOWN = 5


def is_words(array: Array) -> bool:
    return bool(array.dtype.kind == "U")


def names_in(arrays: Mapping[str, Array]) -> Names:
    """The names of the labels of each field that has words."""
    return {field: _names(array) for field, array in arrays.items() if is_words(array)}


def numbered(field: str, words: Array, classes: Any) -> Array:
    """Words as labels below `classes`. Raises `MaiError` where there are more."""
    names = _names(words)
    if isinstance(classes, int) and len(names) > classes:
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        message = f"`{field}` has {len(names)} labels ({shown}), the spec has class[{classes}]"
        raise bad(message, help=f"write class[{len(names)}]")
    return np.searchsorted(np.array(names), words).astype(np.int64)


def saved(names: Names) -> dict[str, str]:
    """Names as the metadata of weights hold them; nothing where there are none."""
    return {LABELS: json.dumps(names)} if names else {}


def stated(path: Path | None) -> dict[str, list[str]]:
    """The names that the weights of a run tell, by field."""
    if path is None:
        return {}
    with TensorFiles(path) as files:
        text = files.metadata.get(LABELS, "{}")
    held: dict[str, list[str]] = json.loads(text)
    return held


def _names(words: Array) -> tuple[str, ...]:
    return tuple(sorted(set(words.tolist())))
