"""Models as their papers say them: each spec of the folder is sound, trains, and passes the gate."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import Options, train

SPECS = sorted((Path(__file__).parent / "second_tour").glob("*.mai"))


@pytest.mark.slow
@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_a_spec_trains_and_compiles(path: Path, tmp_path: Path) -> None:
    checked = check(path)
    assert checked.program is not None and not checked.diagnostics
    result = train(checked.program, tmp_path, Options(device="cpu", quiet=True, steps=5))
    assert math.isfinite(result.figures["loss"])
    weights, steps = load_weights(checked.program, result.weights)
    assert steps == 5
    for name in checked.program.exports:
        assert export(checked.program, name, Trained(weights), tmp_path).error < 1e-4
