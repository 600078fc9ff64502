"""What is imported in a trial: how its folder is made, what its exports are given, and what they are compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch

from benchmarks.imports.making import Maker

Array: TypeAlias = np.ndarray[Any, Any]
Arrays: TypeAlias = dict[str, Array]
LEFT_OUT = frozenset(
    {"generate", "transcribe", "draw", "denoise"}
)  # Exports that draw, or that are compared in another way.
FIELDS = {
    "encode": "last_hidden_state", "encode_pair": "last_hidden_state", "pool": "pooler_output", "embed_text": "text_embeds",
    "embed_image": "image_embeds", "match": "logits_per_image",
    "depth": "predicted_depth",
}  # fmt: skip


def rows_alone(model: Any, export: str, inputs: Arrays) -> Array:
    """What a model of transformers computes of each row alone."""
    rows = []
    if type(model).__name__.endswith("ForPreTraining") and export in ("encode", "pool"):
        model = model.base_model
    for i in range(len(next(iter(inputs.values())))):
        tensors = {name: torch.from_numpy(value[i : i + 1]) for name, value in inputs.items()}
        with torch.inference_mode():
            result = model(**tensors)
        rows.append(_result(result, export)[0].numpy())
    return np.stack(rows)


def _result(result: Any, export: str) -> torch.Tensor:
    if export.startswith("answer"):
        return torch.stack([result.start_logits, result.end_logits], -1)
    if "pred_boxes" in result:
        return torch.cat([result.logits, result.pred_boxes], -1)
    field = FIELDS.get(export, "logits")
    tensor: torch.Tensor = result[field] if field in result else result[0]
    return tensor


@dataclass(frozen=True, slots=True)
class Subject:
    """`inputs` of a model of a config: those of an export, and those of the reference; exports that are `left_out` are not compared."""

    make: Maker
    inputs: Callable[[Any, str], tuple[Arrays, Arrays]]
    reference: Callable[[Any, str, Arrays], Array] = rows_alone
    left_out: frozenset[str] = LEFT_OUT
