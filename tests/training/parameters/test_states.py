"""States that training writes are kept: moving statistics, power iterations, counts; what cannot be kept is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mai.compiler.check import check
from mai.compiler.program import Program
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options

Maker = Callable[[str], Program]
HEAD = 'data x: [2] from npz("data.npz")\nnet f(x: [2]) -> [2] {{\n  state m: [2] = zeros\n  {0}\n  return linear(x - m, 2)\n}}\n'
TRAIN = "train(steps = {0}, batch = 10, optimizer = sgd(lr = 0.1)) {{ minimize {1} }}\n"
LOSS = "sum((f(x) - x)^2)"
MOVING = "if training { m = 0.9 * m + 0.1 * mean(across(x), axis = 0) }"


def states(program: Program, out: Path, **options: object) -> dict[str, np.ndarray]:
    train(program, out, Options(quiet=True, device="cpu", **options))  # type: ignore[arg-type]
    return {name: tensor.numpy() for name, tensor in load_file(out / "weights.safetensors").items()}


@pytest.fixture(autouse=True)
def rows(tmp_path: Path) -> np.ndarray:
    """Ten examples, all of them in every batch; fewer than are held out from."""
    x = np.random.default_rng(0).normal(2, 1, (10, 2)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x)
    return x


@pytest.mark.parametrize("objective", [LOSS, f"sum((f(x) - x)^2) + 0 * {LOSS}"], ids=["one call", "two calls a step"])
def test_moving_statistics(program: Maker, tmp_path: Path, rows: np.ndarray, objective: str) -> None:
    """Each call of the net goes on from what the one before has written."""
    m = np.zeros(2)
    for _ in range(3 * objective.count("f(x)")):
        m = 0.9 * m + 0.1 * rows.mean(0)
    kept = states(program(HEAD.format(MOVING) + TRAIN.format(3, objective)), tmp_path / "run")
    assert np.allclose(kept["f.m"], m, atol=1e-6)


def test_the_weights_are_those_of_the_same_steps_by_hand(program: Maker, tmp_path: Path, rows: np.ndarray) -> None:
    """The loss sees the new value; no gradient goes into the state."""
    spec = program(HEAD.format(MOVING) + TRAIN.format(2, LOSS))
    trained = states(spec, tmp_path / "run")
    state = Weights(spec.weights).initialise(0).state_dict()
    weight, bias = (state[f"f.linear_1.{n}"].clone().requires_grad_() for n in ("weight", "bias"))
    m, x = torch.zeros(2), torch.from_numpy(rows)
    for _ in range(2):
        m = 0.9 * m + 0.1 * x.mean(0)
        loss = (((x - m) @ weight.T + bias - x) ** 2).sum(-1).mean()
        grads = torch.autograd.grad(loss, (weight, bias))
        weight, bias = ((p - 0.1 * g).detach().requires_grad_() for p, g in zip((weight, bias), grads, strict=True))
    assert np.allclose(trained["f.linear_1.weight"], weight.detach().numpy(), atol=1e-5)
    assert np.allclose(trained["f.linear_1.bias"], bias.detach().numpy(), atol=1e-5)


def test_a_stopped_run_goes_on_with_its_states(program: Maker, tmp_path: Path) -> None:
    spec = program(HEAD.format(MOVING) + TRAIN.format(8, LOSS))
    whole = states(spec, tmp_path / "whole")
    states(spec, tmp_path / "parts", steps=5)
    parts = states(spec, tmp_path / "parts", steps=8, resume=True)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_several_objectives_write_once_a_step(program: Maker, tmp_path: Path) -> None:
    text = HEAD.format("if training { m = m + 1 }") + "net g(x: [2]) -> [] { return linear(x, 1)[0] }\n"
    text += "train(steps = 4, batch = 10) {\n  minimize sum((f(x) - x)^2) over f\n  minimize (g(x) - 1)^2 over g\n  report sum(x)\n}\n"
    assert states(program(text), tmp_path / "run")["f.m"].tolist() == [4, 4]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("if training { m = 0.9 * m + 0.1 * x }", "differs between them"),
        ("if training { m = sum(m) }", "it is [2], and this is []"),
        ("repeat 3 shared { m = m + 1 }", "inside a loop"),
        ("if training { m = concat(across(x)[:, 0], m) }", "the first 2 rows of a queue are `[:2]` of it"),
    ],
)
def test_what_a_state_cannot_take(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(HEAD.format(line) + TRAIN.format(1, LOSS))
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.slug == "state-not-kept" and problem in f"{diagnostic.message}: {diagnostic.help}"


def test_an_export_leaves_the_state_as_it_is(program: Maker, tmp_path: Path) -> None:
    """Outside of training an assignment is one for the rest of the body alone."""
    text = HEAD.format("m = m + 1") + "export give(x: [2]) -> [2] { return f(x) - f(x) }\n"
    assert set(program(text).exports["give"].output_names) == {"give"}
