"""`compile = true`: the same losses to rounding, and words where torch cannot make code here, or not of all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx

from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.compiler.training.step.compiled import Compiled, check_compiler
from mai.compiler.training.trainer import Trainer
from mai.spec.diagnostics import MaiError

SPEC = """data x: [2] from moons()
train(steps = 20, batch = 16, accumulate = 2, compile = {}) {{
  z ~ normal([2])
  minimize sum((linear(relu(linear(x + 0.1 * z, 8)), 2) - x)^2)
  report mean(x) as middle
}}
"""


def trainer(program: Callable[..., Program], out: Path, compiled: str, **options: bool) -> Trainer:
    spec = program(SPEC.format(compiled))
    assert spec.training is not None
    out.mkdir()
    return Trainer(spec, spec.training, out, Options(quiet=True, device="cpu", **options))


@pytest.mark.slow
def test_losses_are_the_same_to_rounding(program: Callable[..., Program], tmp_path: Path) -> None:
    plain = trainer(program, tmp_path / "a", "false")
    compiled = trainer(program, tmp_path / "b", "false", compile=True)
    losses = [[each.step(step, step == 3) for step in range(6)] for each in (plain, compiled)]
    assert all(isinstance(module.forward, Compiled) for module in compiled.objectives[0].modules)
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_a_machine_without_a_compiler_says_so(
    program: Callable[..., Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MaiError, match=r"makes C\+\+, and there is no compiler of it here: \S*\+\+"):
        trainer(program, tmp_path / "a", "true")
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    check_compiler(torch.device("cpu"))


def doubled(x: torch.Tensor) -> torch.Tensor:
    """x twice where its sum is above 0, which Python has to know."""
    return 2 * x if bool(x.sum() > 0) else x


@pytest.mark.slow
def test_what_stops_the_compiler_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output((graph.call_function(torch.exp, (graph.call_function(doubled, (x,)),)),))
    run = Compiled(fx.GraphModule(torch.nn.Module(), graph))
    for _ in range(2):
        (y,) = run(torch.tensor([1.0, 2.0]))
        torch.testing.assert_close(y, torch.exp(torch.tensor([2.0, 4.0])))
    assert capsys.readouterr().err.count("compiled in pieces, since torch.compile stops at: ") == 1
