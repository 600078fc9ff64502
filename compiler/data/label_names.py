"""Labels that data have as words: their numbers, in alphabetical order, and their names in the weights of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.weights.tensor_files import TensorFiles
from mai.runtime.arrays import Array

Names = Mapping[str, tuple[str, ...]]
LABELS = "mai.labels"
SHOWN = 5


def is_words(array: Array) -> bool:
    """Whether an array holds texts."""
    return bool(array.dtype.kind == "U")


def number_labels(
    arrays: Mapping[str, Array], fields: Mapping[str, Type], known: Names
) -> tuple[dict[str, Array], Names]:
    """Words as labels, and the names of all labels; those that a run has `known` keep their numbers.

    Raises:
        MaiError: a field has more labels than classes, or one that the run does not know.
    """
    columns, names = dict(arrays), dict(known)
    for field, words in arrays.items():
        if is_words(words) and fields[field].dtype is DType.INT:
            names[field] = _names(field, words, known.get(field, ()), fields[field].classes)
            order = np.argsort(names[field])
            columns[field] = order[np.searchsorted(np.array(names[field]), words, sorter=order)]
    return columns, names


def _names(field: str, words: Array, known: tuple[str, ...], classes: Size | None) -> tuple[str, ...]:
    labels = tuple(sorted(set(words.tolist())))
    new = [name for name in labels if name not in known]
    if known and new:
        message = f"`{field}` has the label `{new[0]}`, which this run does not know: it has {shown(known)}"
        raise bad(message, help="begin another run for other labels")
    if isinstance(classes, int) and len(known or labels) > classes:
        message = f"`{field}` has {len(labels)} labels ({shown(labels)}), the spec has class[{classes}]"
        raise bad(message, help=f"write class[{len(labels)}]")
    return known or labels


def shown(names: Sequence[str]) -> str:
    """The first few names, in one line."""
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def saved(names: Names) -> dict[str, str]:
    """Names as the metadata of weights hold them; nothing where there are none."""
    return {LABELS: json.dumps(names)} if names else {}


def names_of(path: Path | None) -> Names:
    """The names that the weights of a run tell, by field."""
    if path is None:
        return {}
    with TensorFiles(path) as files:
        return names_in(files.metadata)


def names_in(metadata: Mapping[str, str]) -> Names:
    """The names in the metadata of weights, by field."""
    by_field: dict[str, list[str]] = json.loads(metadata.get(LABELS, "{}"))
    return {field: tuple(names) for field, names in by_field.items()}
