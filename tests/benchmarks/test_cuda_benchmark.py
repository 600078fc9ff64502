"""The benchmark of GPUs, as far as a machine without one can run it: it says that it is skipped, and its rivals compute."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.samplers import cuda, first_light
from benchmarks.samplers.sampler import SHAPES


def test_it_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if cuda.missing() is None:
        pytest.skip("there is a GPU")
    monkeypatch.setattr(sys, "argv", ["cuda"])
    cuda.main()
    assert capsys.readouterr().out.startswith("cuda: skipped, since ")


def test_the_first_look_runs_as_far_as_the_cpu_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if cuda.missing() is None:
        pytest.skip("there is a GPU")
    titles = []
    for title, path in first_light.files("two_layer", tmp_path):
        line = first_light.row(title, path, batch=3, rounds=1, provider="cpu")
        assert "is allowed" in line[1]
        titles.append(line[0])
    assert titles == ["two_layer.predict", "two_layer.predict --cuda"]
    monkeypatch.setattr(sys, "argv", ["first_light"])
    first_light.main()
    assert capsys.readouterr().out.startswith("first light: skipped, since ")


def test_a_provider_that_does_not_open_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch may have a GPU where onnxruntime has no libraries for it."""
    if cuda.missing() is None:
        pytest.skip("there is a GPU")
    monkeypatch.setattr(cuda.torch.cuda, "is_available", lambda: True)
    assert "onnxruntime" in str(cuda.missing())


@pytest.mark.parametrize("network", ["mlp", "dit"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", 0.01), ("bf16", 0.05)])
def test_its_rivals_compute_in_their_precision(network: str, precision: Any, tolerance: float) -> None:
    x = np.random.default_rng(0).standard_normal((2, *SHAPES[network])).astype(np.float32)
    results = []
    for weights in ("float32", precision):
        cuda.torch.manual_seed(0)
        results.append(cuda.rival(network, "euler", x, 2, weights, compiles=False, device="cpu")())
    error = np.abs(results[1] - results[0]).max() / np.abs(results[0]).max()
    assert 0 < error < tolerance


def test_every_row_has_a_spec_and_a_rival() -> None:
    for network, solver, *_ in cuda.ROWS:
        assert network in cuda.NETWORKS
        assert solver in cuda.SOLVERS
        assert (cuda.SPECS / f"{network}.mai").exists()
