"""fp16 takes its gradients of a larger loss: clipping and steps are those of the loss itself.

A GPU does this with half precision. Here the scaler works on float32, where a power of two changes no digit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.amp import GradScaler

from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import holds_run
from mai.compiler.training.settings import OPTIMIZERS
from mai.compiler.training.step.scaling import Scaling
from mai.compiler.training.trainer import Trainer

Maker = Callable[[str], Program]
HEAD = "steps = 9, batch = 16, optimizer = {}, clip = 0.05"
SPEC = """data x: [2] from moons()
net f(x: [2]) -> [2] { return linear(x, 2) }
net g(x: [2]) -> [] { return mean(linear(relu(linear(x, 8)), 1)) }
train(%s) {
  z ~ normal([2])
  minimize (softplus(g(f(z))) + softplus(-g(x))) over g
  minimize softplus(-g(f(z))) over f
}
"""


def trainer(program: Maker, folder: Path, optimizer: str, scale: float | None, text: str = SPEC) -> Trainer:
    spec = program(text % HEAD.format(optimizer))
    assert spec.training is not None
    trainer = Trainer(spec, spec.training, folder, Options(quiet=True, device="cpu", resume=holds_run(folder)))
    if scale is not None:
        trainer.processes.accelerator.scaler = GradScaler("cpu", init_scale=scale, growth_interval=4)
        trainer.state.scaling = Scaling(trainer.processes.accelerator.scaler)
    return trainer


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {n: t.clone() for n, t in trainer.weights.state_dict().items()}


@pytest.mark.parametrize("optimizer", ["sgd(lr = 0.1, momentum = 0.9)", *(f"{name}()" for name in OPTIMIZERS)])
def test_a_larger_loss_gives_the_same_steps(optimizer: str, program: Maker, tmp_path: Path) -> None:
    plain, scaled = (trainer(program, tmp_path / str(s), optimizer, s) for s in (None, 2.0**12))
    losses = [[t.step(step, False) for step in range(9)] for t in (plain, scaled)]
    assert losses[0] == losses[1]
    for name, weight in weights_of(plain).items():
        torch.testing.assert_close(weights_of(scaled)[name], weight, rtol=0, atol=0)


def test_clipping_sees_the_gradients_own_size(program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    clip = torch.nn.utils.clip_grad_norm_

    def looked(parameters: Any, most: float) -> Any:
        seen.append(float(clip(parameters, most)))

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", looked)
    for scale in (None, 2.0**12):
        trainer(program, tmp_path / str(scale), "sgd()", scale).step(0, False)
    assert seen[:2] == seen[2:]
    assert min(seen) > 0.01


def test_a_step_that_overflows_is_left_out(program: Maker, tmp_path: Path) -> None:
    run_of_spec = trainer(program, tmp_path, "sgd(lr = 0.1)", 2.0**127, SPEC.replace("minimize ", "minimize 1000 * "))
    before = weights_of(run_of_spec)
    run_of_spec.step(0, False)
    assert all(torch.equal(before[name], weight) for name, weight in weights_of(run_of_spec).items())
    assert run_of_spec.state.scaling.scaler is not None
    assert run_of_spec.state.scaling.scaler.get_scale() == 2.0**125, "halved for each objective"
    for step in range(1, 60):
        run_of_spec.step(step, False)
    assert not all(torch.equal(before[name], weight) for name, weight in weights_of(run_of_spec).items())
    assert all(torch.isfinite(weight).all() for weight in weights_of(run_of_spec).values())


def test_a_resumed_run_goes_on_with_its_scale(program: Maker, tmp_path: Path) -> None:
    first = trainer(program, tmp_path, "sgd(lr = 0.1)", 2.0**6)
    for step in range(5):
        first.step(step, False)
    first.save(5)
    second = trainer(program, tmp_path, "sgd(lr = 0.1)", 2.0**20)
    assert second.restore() == 5
    assert (
        first.state.scaling.saved()
        == second.state.scaling.saved()
        != trainer(program, tmp_path, "sgd()", 2.0**6).state.scaling.saved()
    )
    for t in (first, second):
        t.step(5, False)
    for name, weight in weights_of(first).items():
        assert torch.equal(weights_of(second)[name], weight)
