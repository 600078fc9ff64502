"""What tests of `mai.mjs` share: calls in Node, files to call, and the answers as arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Drawing, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.runtime.model.manifest import Facts

JavaScript = Callable[[Sequence[dict[str, Any]]], list[Any]]
SMALLER = {
    "char_gpt": {"d": "16", "depth": "2", "heads": "2"},
    "llama": {"d": "16", "depth": "2", "heads": "2", "kv_heads": "1", "hidden": "32", "vocab": "256"},
    "resnet": {"L": "10"},
}


DRAWS = """export draws() -> ([4], [4], class[4], [3]) {
  a ~ normal([4])
  b ~ uniform([4], 0, 1)
  c ~ categorical(b)
  n ~ integers([3], -5, 100000)
  return (a, b, c, 1.0 * n)
}
"""


def compiled(
    program: Program, name: str, folder: Path, *, required: bool = False, tokenizer: str | None = None,
    labels: Mapping[str, tuple[str, ...]] | None = None, verify: bool = False, draws: Drawing = "portable",
    facts: Mapping[str, Facts] | None = None,
) -> Path:  # fmt: skip
    weights, _ = load_weights(program, None)
    options = CompileOptions(verify=verify, settings="required" if required else "optional", draws=draws)
    trained = Trained(weights, tokenizer=tokenizer, labels=labels or {}, facts=facts or {})
    return export(program, name, trained, folder, options).path


def arrays(answer: Any) -> dict[str, Array]:
    """Results as arrays, by name."""
    assert "results" in answer, answer
    read = {"Infinity": np.inf, "-Infinity": -np.inf, "NaN": np.nan}
    return {
        name: np.array([read.get(v, v) for v in array["data"]]).reshape(array["dims"])
        for name, array in answer["results"].items()
    }


def here(path: Path, values: dict[str, Any]) -> dict[str, Array]:
    model = load(path, providers="cpu")
    result = model(**values)
    return result if isinstance(result, dict) else {next(iter(model.outputs)): result}


def small(path: Path) -> Program:
    checked = check(path, SMALLER.get(path.stem, {}))
    assert checked.program is not None
    return checked.program
