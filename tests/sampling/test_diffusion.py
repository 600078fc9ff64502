"""The samplers of `diffusion.mai` and `score.mai` against what the papers say, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.runtime.model.model import Model

Maker = Callable[[str], Program]
EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = """
export once(x: [2], k: int, eta: real = 1) -> [2] { return back(x, k, k - 1, eta) }
export seen(x: [2], k: int) -> [2] { return noise(x, k) }
"""
BETA = np.linspace(1e-4, 0.05, 200)
ALPHA_BAR = np.cumprod(1 - BETA)
VARIANCE = np.array([0.25, 2.25])


def compiled(program: Program, name: str, folder: Path) -> Model:
    weights, _ = load_weights(program, None)
    return load(export(program, name, Trained(weights), folder).path, providers="cpu")


def ancestral_mean(x: Array, noise: Array, k: Array) -> Array:
    """Ho et al. 2020, algorithm 2, for steps k = 1 to T."""
    beta, alpha_bar = BETA[k - 1, None], ALPHA_BAR[k - 1, None]
    mean: Array = (x - beta / np.sqrt(1 - alpha_bar) * noise) / np.sqrt(1 - beta)
    return mean


@pytest.mark.slow
def test_ddim_with_all_steps_and_all_noise_is_ancestral_sampling(program: Maker, tmp_path: Path) -> None:
    spec = program((EXAMPLES / "diffusion.mai").read_text(encoding="utf-8") + STEPS)
    once, seen = compiled(spec, "once", tmp_path), compiled(spec, "seen", tmp_path)
    g = np.random.default_rng(0)
    k = g.integers(1, 201, 500)
    x, y = g.normal(size=(2, 500, 2)).astype(np.float32)
    mean, other = (ancestral_mean(at, seen(x=at, k=k), k) for at in (x, y))
    # An example's draw is the same in both calls: it cancels.
    np.testing.assert_allclose(once(x=x, k=k) - once(x=y, k=k), mean - other, atol=2e-4)
    for step in (1, 2, 50, 200):
        many = np.full(20_000, step)
        at = np.broadcast_to(x[0], (20_000, 2))
        drawn = once(x=at, k=many) - ancestral_mean(x[:1], seen(x=x[:1], k=many[:1]), many[:1])
        before = ALPHA_BAR[step - 2] if step > 1 else 1.0
        variance = BETA[step - 1] * (1 - before) / (1 - ALPHA_BAR[step - 1])
        np.testing.assert_allclose(drawn.var(0), variance, rtol=0.05, atol=1e-9)
        np.testing.assert_allclose(drawn.mean(0), 0, atol=5 * np.sqrt(variance / 20_000) + 1e-4)


def test_ddim_without_noise_takes_any_number_of_steps(program: Maker, tmp_path: Path) -> None:
    spec = program((EXAMPLES / "diffusion.mai").read_text(encoding="utf-8"))
    ddim = compiled(spec, "ddim", tmp_path)
    all_steps = ddim(batch=8, steps=200)
    np.testing.assert_allclose(ddim(batch=8, steps=500), all_steps, rtol=1e-3, atol=1e-3)
    for steps in (1, 3, 7, 64):
        assert np.isfinite(ddim(batch=8, steps=steps, eta=1.0)).all()


def exact(program: Maker, mean: str) -> Program:
    """`score.mai` with the score of normal data, independent in each coordinate, in the place of its net's."""
    text = (EXAMPLES / "score.mai").read_text(encoding="utf-8")
    learnt = "return -linear(h, 2) / σ(t)"
    assert learnt in text
    return program(text.replace(learnt, f"return (kept(t) * {mean} - x) / (kept(t)^2 * [0.25, 2.25] + σ(t)^2)"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "flow"])
def test_both_ways_back_end_in_the_data(program: Maker, tmp_path: Path, name: str) -> None:
    result = compiled(exact(program, "[0.5, -1]"), name, tmp_path)(batch=20_000, seed=1)
    np.testing.assert_allclose(result.mean(0), [0.5, -1], atol=0.04)
    np.testing.assert_allclose(result.var(0), VARIANCE, rtol=0.05)
    assert abs(np.corrcoef(result.T)[0, 1]) < 0.03


def test_the_flow_knows_the_density(program: Maker, tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=(50, 2)).astype(np.float32)
    result = compiled(exact(program, "[0, 0]"), "log_density", tmp_path)(x=x)
    left = np.exp(-2 * (0.05e-3 + 4.975e-6))  # the way back ends at 1e-3, where a little noise is left
    variance = left * VARIANCE + 1 - left
    expected = -0.5 * (x**2 / variance + np.log(2 * np.pi * variance)).sum(1)
    np.testing.assert_allclose(result, expected, atol=1e-3)
