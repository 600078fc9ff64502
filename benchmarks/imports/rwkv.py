"""RWKV 7, which transformers has not: its folders are written here, and compared with the formulas of its paper."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.imports import changes
from benchmarks.imports.making import other_values
from benchmarks.imports.subject import Array, Arrays, Subject
from tests.support.models import rwkv7

LENGTH = 19
# Beside the sizes, what may be said otherwise; the formulas are those of the first values.
SAID = {
    "hidden_act": "sqrelu",
    "value_dim": None,
    "attn": None,
    "num_heads": None,
    "norm_first": True,
    "tie_word_embeddings": False,
}


class Formulas:
    """What the paper says of a folder's tensors."""

    def __init__(self, weights: rwkv7.Tensors, settings: Mapping[str, Any]) -> None:
        self.weights, self.config = weights, settings

    def __call__(self, text: torch.Tensor) -> Any:
        rows = [rwkv7.logits(self.weights, row, self.config) for row in text.numpy()]
        return SimpleNamespace(logits=torch.from_numpy(np.stack(rows)))


def _make(folder: Path, rng: random.Random, changed: list[str]) -> Formulas:
    values = other_values({**rwkv7.SMALL, **SAID}, rng)
    settings = {**rwkv7.SMALL, **values}
    changed.append(f"RWKV7ForCausalLM {values}")
    rwkv7.save(folder, rwkv7.tensors(settings), **settings)
    for change in rng.sample(
        [changes.half_precision, changes.several_files, changes.more_tensors], rng.choice([0, 1, 2])
    ):
        if (folder / "model.safetensors").is_file():
            changed.append(change(folder, rng))
    parts = [load_file(file) for file in sorted(folder.glob("*.safetensors"))]
    return Formulas({n: t.float().numpy() for part in parts for n, t in part.items()}, settings)


def _tokens(settings: Mapping[str, Any], export: str) -> tuple[Arrays, Arrays]:
    x = np.random.default_rng(3).integers(3, min(90, settings["vocab_size"]), (2, LENGTH))
    return {"x": x}, {"x": x}


def _computed(model: Formulas, export: str, inputs: Arrays) -> Array:
    result: Array = model(torch.from_numpy(inputs["x"])).logits.numpy()
    return result


RWKV = {"rwkv7": Subject(_make, _tokens, _computed)}
