"""Groups of weights that move at a rate, and lose of themselves by a decay, of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options

NET = """data x: [2] from moons()
net f(x: [2]) -> [2] {
  h = linear(x, 8)
  repeat 2 { h += tanh(linear(h, 8)) }
  return linear(h, 2)
}
train(steps = 1, batch = 16, optimizer = OPTIMIZER, schedule = linear(warmup = 4)MORE) { minimize sum((f(x) - x)^2) }
export g(x: [2]) -> [2] { return f(x) }
"""
GROUPS = ', groups = [group("*.bias", weight_decay = 0), group(["f.repeat_1.1.*", "f.linear_2.*"], lr = 0.04)]'
Make = Callable[[str], Program]
Weights = dict[str, np.ndarray]  # type: ignore[type-arg]


def one_step(
    make: Make, out: Path, optimizer: str, more: str = "", steps: int = 1, resume: bool = False
) -> tuple[Weights, Weights]:
    """The weights before the first step, and after it, or after some `steps`."""
    program = make(NET.replace("OPTIMIZER", optimizer).replace("MORE", more))
    before, _ = load_weights(program, None)
    result = train(program, out, Options(device="cpu", quiet=True, steps=steps, resume=resume))
    assert result.weights is not None
    return before, load_weights(program, result.weights)[0]


def own(name: str) -> tuple[float, float]:
    """The rate and the decay of a weight, by `GROUPS` and an optimizer of rate 0.1 and decay 0.5."""
    if name.endswith(".bias"):
        return 0.1, 0.0
    return (0.04 if name.startswith(("f.repeat_1.1.", "f.linear_2.")) else 0.1), 0.5


def test_a_step_of_descent_has_the_rates_and_decays_of_the_groups(program: Make, tmp_path: Path) -> None:
    before, plain = one_step(program, tmp_path / "plain", "sgd(lr = 0.1)")
    _, after = one_step(program, tmp_path / "groups", "sgd(lr = 0.1, weight_decay = 0.5)", GROUPS)
    for name, weight in before.items():
        gradient, (lr, decay) = (weight - plain[name]) / (0.1 / 4), own(name)
        np.testing.assert_allclose(after[name], weight - lr / 4 * (gradient + decay * weight), atol=1e-6)


def test_a_rule_of_our_own_has_them_too(program: Make, tmp_path: Path) -> None:
    """Lion's first step has the size of the rate, whatever the gradient is."""
    before, after = one_step(program, tmp_path, "lion(lr = 0.1, weight_decay = 0.5)", GROUPS)
    for name, weight in before.items():
        lr, decay = own(name)
        move = after[name] - weight * (1 - lr / 4 * decay)
        np.testing.assert_allclose(np.abs(move), lr / 4, rtol=1e-4)


def test_a_group_may_stand_alone(program: Make, tmp_path: Path) -> None:
    before, after = one_step(program, tmp_path, "lion(lr = 0.1)", ', groups = group("f.linear_1.*", lr = 0.2)')
    moves = {name: np.abs(after[name] - weight).max() * 4 for name, weight in before.items()}
    assert all(move == pytest.approx(0.2 if "f.linear_1." in name else 0.1, rel=1e-4) for name, move in moves.items())


def test_a_rate_is_that_of_matrices_and_of_all_else(program: Make, tmp_path: Path) -> None:
    """Muon has a second rate for what is no matrix, which is that of the group, too."""
    muon = "muon(lr = 0.1, adam_lr = 0.3)"
    before, plain = one_step(program, tmp_path / "plain", muon)
    _, after = one_step(program, tmp_path / "groups", muon, ', groups = group("f.linear_1.*", lr = 0.2)')
    times = {"f.linear_1.weight": 0.2 / 0.1, "f.linear_1.bias": 0.2 / 0.3}
    for name, weight in before.items():
        move = times.get(name, 1.0) * (plain[name] - weight)
        np.testing.assert_allclose(after[name] - weight, move, rtol=1e-3, atol=1e-6)


def test_a_run_goes_on_with_other_groups(program: Make, tmp_path: Path) -> None:
    """What the optimizer remembers of a weight stays its own, in whatever order groups have the weights."""
    _, one = one_step(program, tmp_path / "run", "lion(lr = 0.1)")
    _, two = one_step(program, tmp_path / "plain", "lion(lr = 0.1)", steps=2)
    groups = ', groups = [group("f.linear_2.*", lr = 0.2), group("*.bias", lr = 0.3)]'
    _, other = one_step(program, tmp_path / "run", "lion(lr = 0.1)", groups, steps=2, resume=True)
    for name, weight in one.items():
        times = 2 if name.startswith("f.linear_2.") else 3 if name.endswith(".bias") else 1
        np.testing.assert_allclose(other[name] - weight, times * (two[name] - weight), atol=1e-6)


@pytest.mark.parametrize(
    ("groups", "slug"),
    [
        ('group("g.*", lr = 1)', "unknown-name"),
        ('[group("*", lr = 1), group("*.bias", lr = 2)]', "bad-setting"),
        ('group("*.bias")', "bad-setting"),
        ("group([], lr = 1)", "bad-setting"),
        ('group("*.bias", lr = 0)', "bad-setting"),
        ('part("*.bias", lr = 1)', "bad-setting"),
        ('group("*.bias", rate = 1)', "unknown-setting"),
        ("group(lr = 1)", "missing-setting"),
        ('group("*a*a*a*b", lr = 1)', "weights-rule"),
    ],
)
def test_a_group_that_says_nothing_is_refused(tmp_path: Path, groups: str, slug: str) -> None:
    path = tmp_path / "a.mai"
    path.write_text(NET.replace("OPTIMIZER", "sgd()").replace("MORE", f", groups = {groups}"))
    assert [d.slug for d in check(path).diagnostics] == [slug]
