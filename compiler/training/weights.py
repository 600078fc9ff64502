"""Weights for compiling: trained ones from a file, or first values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.program import Program
from mai.compiler.torch.weights import first_value
from mai.compiler.training.checkpoint import read_weights
from mai.spec.diagnostics import Diagnostic, MaiError

Array = np.ndarray[Any, Any]


def load_weights(program: Program, path: Path | None, seed: int = 0) -> tuple[dict[str, Array], int | None]:
    """The weights of a program by name, and how many steps they were trained for (None: not at all).

    Raises:
        MaiError: `weights-missing`, or `weights-mismatch` naming the first weight that does not fit.
    """
    if path is None:
        return {name: first_value(w, seed) for name, w in program.weights.items()}, None
    tensors, metadata = read_weights(path)
    for name, weight in program.weights.items():
        held = tensors.get(name)
        if held is None or tuple(held.shape) != weight.shape:
            shown = (
                "is not among them"
                if held is None
                else f"is {list(held.shape)} there and {list(weight.shape)} in the spec"
            )
            message = f"the weights in {path} are of another spec: `{name}` {shown}"
            raise MaiError([Diagnostic("weights-mismatch", weight.span, message)])
    steps = metadata.get("trained_steps", "")
    arrays = {name: tensors[name].numpy() for name in program.weights}
    return arrays, int(steps) if steps.isdigit() else None
