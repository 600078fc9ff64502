"""Fields of a config that decide what the reference computes, and that nobody reads: each is changed alone, with the same weights.

Where the reference's results change, the import must refuse the value or write another spec.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.imports import changes
from benchmarks.imports.making import field_values, with_values
from benchmarks.imports.subject import Array
from benchmarks.imports.subjects import Inputs
from mai.compiler.importing.importing import import_folder
from mai.spec.diagnostics import MaiError
from tests.support.models.model_folders import Model

Results = dict[str, Array]
TOLERANCE = 1e-4
WRITES = ("LM", "Generation")  # Parts of the names of classes that write texts.


def unread_fields(case: Model, inputs_of: Inputs, folder: Path) -> Iterator[str]:
    """The fields of a model's config that change its results and not its spec, with the value."""
    model = case.make().eval()
    inputs = {n: torch.from_numpy(v) for n, v in inputs_of(model.config, _export(case.model))[1].items()}
    wanted, spec = _results(model, inputs), _spec(model, folder)
    for field, old in field_values(case).items():
        for value in changes.odd_values(field, old):
            other = _changed(case, {field: value}, model.state_dict())
            if other is None or _alike(wanted, _results(other, inputs)) or _spec(other, folder) != spec:
                continue
            yield f"{field} = {value!r}, {old!r} before"


def _export(kind: str) -> str:
    """What a class of models does, by its name."""
    if any(word in kind for word in WRITES):
        return "predict"
    return "encode" if kind.endswith("Model") else "classify"


def _results(model: Any, inputs: Mapping[str, torch.Tensor]) -> Results:
    """What a model computes, by names; nothing where it computes nothing of this."""
    try:
        with torch.inference_mode():
            return {
                n: v.numpy()
                for n, v in model(**inputs).items()
                if isinstance(v, torch.Tensor) and v.is_floating_point()
            }
    except Exception:  # Whatever a library says of a config that it does not take.
        return {}


def _changed(case: Model, values: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> Any:
    """The model with another value and the same weights; None where its library takes no such value, or it has other weights."""
    try:
        model = replace(case, settings=with_values(case.settings, values)).make()
        model.load_state_dict(weights)
    except Exception:  # As above.
        return None
    return model.eval()


def _alike(wanted: Results, results: Results) -> bool:
    """Whether results are the same, or there are none that could be compared."""
    return all(
        wanted[n].shape == v.shape
        and np.allclose(wanted[n], v, TOLERANCE, TOLERANCE * max(1, np.abs(wanted[n]).max()), equal_nan=True)
        for n, v in results.items()
        if n in wanted
    )


def _spec(model: Any, folder: Path) -> str | None:
    """The spec of a model's folder; None where it is refused."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    try:
        return import_folder(folder, folder / "model.mai").text
    except MaiError:
        return None
