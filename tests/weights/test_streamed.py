"""Weights that are read when they are asked for, and not to see whether they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from mai.compiler.program import Program
from mai.compiler.training import initial_weights
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.weights.tensor_files import TensorFiles

SPEC = "export f(x: [8]) -> [8] { return linear(x, 8) }\n"


@pytest.mark.parametrize("rules", ["", 'weights from "w.safetensors" { "*" = "here.*" }\n'])
def test_whether_a_weight_is_there_is_told_without_reading_it(
    rules: str, program: Callable[[str], Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = dict(load_weights(program(SPEC), None)[0])
    save_file({f"here.{n}" if rules else n: a for n, a in arrays.items()}, tmp_path / "w.safetensors")
    monkeypatch.setattr(initial_weights, "MOST_KEPT", 0)
    weights, _ = load_weights(program(SPEC + rules), tmp_path / "w.safetensors")
    monkeypatch.setattr(TensorFiles, "read", lambda *_: pytest.fail("it was read"))
    assert set(weights) == set(arrays)
    assert all(name in weights for name in arrays) and "linear_2.weight" not in weights
