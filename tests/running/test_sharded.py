"""`--shard`: weights in parts, a turn of a `repeat` at a time whole; the losses, weights and checkpoints of one process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.spec.diagnostics import MaiError
from tests.support.processes import together

pytestmark = pytest.mark.slow

Maker = Callable[[str], Program]
PLAIN = Options(quiet=True, device="cpu")
SHARD = replace(PLAIN, shard=True)
# A number of no axis, weights of fewer rows than processes, a second set, states, two objectives over nets of their own.
SPEC = """data x: [3] from npz("points.npz", split = random(0.2))
net f(x: [3]) -> [3] {{
  param scale: [] = 1
  h = linear(x, 8)
  repeat 3 {{ h += mlp(rms_norm(h), hidden = 16) }}
  return scale * linear(h, 3)
}}
net g(x: [3]) -> [] {{
  state m: [3] = 0
  if training {{ m = 0.9 * m + 0.1 * mean(across(x), axis = 0) }}
  return mean(linear(relu(linear(x - m, 8)), 1))
}}
net slow = average(f, 0.8)
train(steps = 6, batch = 10, optimizer = {optimizer}, clip = 0.5, {more}) {{
  z ~ normal([3])
  minimize softplus(g(f(z))) + softplus(-g(x)) + 0.1 * g(mean(across(x), axis = 0))^2 over g
  minimize softplus(-g(f(z))) + mean((slow(x) - f(x))^2) over f
  report sum(f(x)^2)
  record f.scale every 2
}}
"""
SGD = "sgd(lr = 0.1, momentum = 0.9)"


@pytest.fixture(autouse=True)
def _points(tmp_path: Path) -> None:
    np.savez(tmp_path / "points.npz", x=np.random.default_rng(0).standard_normal((80, 3)).astype(np.float32))


def assert_same(one: Path, other: Path) -> None:
    first, second = (load_file(run / "weights.safetensors") for run in (one, other))
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_allclose(second[name], array, atol=3e-6, err_msg=name)
    with np.load(one / "records.npz") as kept, np.load(other / "records.npz") as again:
        np.testing.assert_allclose(again["f.scale"], kept["f.scale"], atol=1e-6)


def run_both(spec: Program, count: int, folder: Path) -> None:
    train(spec, folder / "one", PLAIN)
    assert together(count, lambda: train(spec, folder / "parts", SHARD)) == [0] * count
    assert_same(folder / "one", folder / "parts")


@pytest.mark.parametrize(
    ("count", "more"),
    [
        (2, "ema = 0.9"),
        (4, "ema = 0.9"),
        (2, "recompute = true"),
    ],
)
def test_parts_give_what_the_whole_gives(count: int, more: str, program: Maker, tmp_path: Path) -> None:
    run_both(program(SPEC.format(optimizer=SGD, more=more)), count, tmp_path)


@pytest.mark.parametrize(
    "optimizer", ["muon(lr = 0.01)", "lion(lr = 0.001)", "adamw(lr = 0.001)", "rmsprop(lr = 0.001)"]
)
def test_every_optimizer_moves_parts(optimizer: str, program: Maker, tmp_path: Path) -> None:
    """Of one objective, whose gradients are not rounding alone anywhere; in parts of a batch, and with the best weights kept."""
    text = SPEC.format(optimizer=optimizer, more="keep = best, accumulate = 2, ema = 0.9, evaluate = 2")
    begin, end = text.index("  minimize"), text.index("  report")
    one = text[:begin] + "  minimize mean((f(x + z) - x)^2)\n" + text[end:]
    run_both(program(one), 2, tmp_path)


NAN = """data x: [3] from npz("points.npz")
net f(x: [3]) -> [3] {
  h = linear(x, 8)
  repeat 2 { h += mlp(rms_norm(h), hidden = 16) }
  return linear(h, 3)
}
train(steps = 3, batch = 10) { minimize mean(f(x)^2) + sqrt(0 * f(x)[0]) }
"""


def test_a_gradient_that_is_not_finite_is_found_in_parts(program: Maker, tmp_path: Path) -> None:
    def work() -> None:
        with pytest.raises(MaiError) as caught:
            train(program(NAN), tmp_path / "parts", replace(SHARD, debug_nan=True))
        main, operation, *_ = caught.value.diagnostics
        assert "at step 1 the gradient of `f.linear_1.weight` is not finite" in main.message
        assert operation.span is not None and operation.span.text == "sqrt(0 * f(x)[0])"

    assert together(2, work) == [0, 0]


def test_another_number_of_processes_goes_on(program: Maker, tmp_path: Path) -> None:
    spec = program(SPEC.format(optimizer=SGD, more="ema = 0.9"))
    train(spec, tmp_path / "one", PLAIN)
    steps = [(2, replace(SHARD, steps=2)), (3, replace(SHARD, steps=4, resume=True))]
    for count, options in steps:
        assert together(count, lambda o=options: train(spec, tmp_path / "parts", o)) == [0] * count  # type: ignore[misc]
    train(spec, tmp_path / "parts", replace(PLAIN, resume=True))
    assert_same(tmp_path / "one", tmp_path / "parts")
