"""How a picture of a file's results looks, and the picture of a call."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.labels import label_names, result_names
from mai.runtime.show.drawn import Picture
from mai.runtime.show.picture import Look, draw

if TYPE_CHECKING:
    from mai.runtime.model.model import Model


def picture_of(model: Model, output: str | None, values: Mapping[str, object]) -> Picture:
    """Run a file and draw a result, the first unless `output` names another.

    Raises:
        ModelError: the call is refused, there is no such output, or the result is a text.
    """
    answer = model(**values)
    if isinstance(answer, (str, list)):
        raise ModelError("out-unknown", f"{model.manifest.export} gives a text, which is no picture")
    results = model.by_output(answer)
    name = output or next(iter(results))
    if name not in results:
        raise ModelError("input-unknown", f"there is no output `{name}`", f"there are {', '.join(results)}")
    look = look_of(model, values, results, None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(results[name], model.outputs[name], path, look.of(name) if len(results) > 1 else look)
        return Picture(path.read_bytes(), is_vector=False)


def count_examples(results: Mapping[str, object]) -> int:
    """How many examples there are: the rows of the first result."""
    first = np.asarray(next(iter(results.values())))
    return len(first) if first.ndim else 1


def look_of(
    model: Model, values: Mapping[str, object], results: Mapping[str, object], colours: tuple[float, float] | None
) -> Look:
    """How a picture of the results looks: its title, the labels that tell its examples apart, and names."""
    examples = count_examples(results)
    title = f"{model.path.name}, seed {values.get('seed', 0)}" if model.manifest.draws else model.path.name
    numbers = {name: np.asarray(values[name]) for name, port in model.inputs.items() if port.dtype == "float32"}
    inputs = {name: array for name, array in numbers.items() if len(array) == examples}  # the others are one for all
    names = {name: result_names(model.manifest, port) for name, port in model.outputs.items()}
    return Look(
        title, _labels(model, {**results, **values}, examples), inputs, colours, names, series=model.manifest.series
    )


def _labels(model: Model, values: Mapping[str, object], examples: int) -> Array | None:
    """The labels that were asked for, or else those that are a result beside others; by their names, where the file has them."""
    for name, port in (model.inputs | (model.outputs if len(model.outputs) > 1 else {})).items():
        if port.classes and not port.shape and name in values and np.size(np.asarray(values[name])) == examples:
            labels, names = np.asarray(values[name]).reshape(-1).astype(int), label_names(model.manifest, port)
            if not names:
                return labels
            return np.array([names[k] if 0 <= k < len(names) else str(k) for k in labels])
    return None
