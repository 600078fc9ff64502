"""A small file whose inputs were fields of the data, and values far from these: every host says the same of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from onnx import helper

from mai.runtime import Model
from mai.runtime.model.manifest import Facts
from tests.support.cases.small_files import build, manifest, output, real

FACTS = {
    "one": Facts(low=[0], high=[1e-5], middle=[5e-6]),
    "x": Facts(low=[1, 5], high=[9, 5], middle=[5, 5], columns=["left", "right"]),
    "many": Facts(low=[0] * 7, high=[1] * 7, middle=[0.5] * 7),
    "day": Facts(low=[10957], high=[19844], middle=[15000], dates=["day"]),
    "tax": Facts(low=[0, 0], high=[100, 1], middle=[19, 0.5], percents=["19 %", "0.5 %"]),
    "of": Facts(low=[3], high=[80], middle=[20], percents=["20 %"]),
}
NEAR: dict[str, Any] = {"one": 0, "x": [5, 5], "many": [0.5] * 7, "day": 15000, "tax": [19, 0.5], "of": [[20] * 3]}
UNLIKE: list[dict[str, Any]] = [
    {},
    {"one": [3e-5, 1, 0], "x": [[17, 1e9], [18, 5], [-7, 5]]},
    {"one": 1234567.0, "many": [-2.5] * 7},
    {"one": [1] * 1234, "tax": [0.19, 0.5]},
    {"tax": [[0.07, 0.5], [-0.19, 300]], "of": [[1, 0.25, 0]], "x": [[50, 5]]},
    {"tax": [[0.07, 0.5], [1.5, 0.5]], "of": [[0, 0, 0]]},
    {"of": [[0.5, None, 300]], "many": [-2.5] * 6 + [None]},
]


def write_file(folder: Path) -> Path:
    """The file: it gives `one` back."""
    sizes = {"x": 2, "many": 7, "tax": 2, "of": 3}
    ports = [real(name, *([sizes[name]] if name in sizes else []), gaps=name in ("of", "many")) for name in FACTS]
    described = manifest(ports, [], [output("f")]).model_copy(update={"facts": FACTS})
    file = folder / "f.onnx"
    file.write_bytes(build(described, [helper.make_node("Identity", ["one"], ["f"])]).SerializeToString())
    return file


def notes_of(model: Model, values: dict[str, Any]) -> list[str]:
    """What Python warns of in a call."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model(**values)
    return [str(each.message) for each in said]
