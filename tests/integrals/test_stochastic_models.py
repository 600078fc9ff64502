"""Stochastic models as their papers write them, and their ends, which have closed forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load

Maker = Callable[[str], Program]
COUNT = 5_000
MODELS = """
export ornstein_uhlenbeck(x: [], θ: [] = 1.5, μ: [] = 0.7, σ: [] = 0.4, T: [] = 2, steps: int = 40) -> [] {
  integrate t in 0..T using sra1(steps) { dx = θ * (μ - x) * dt + σ * dW }
  return x
}
export cox_ingersoll_ross(x: [], κ: [] = 2, θ: [] = 0.05, σ: [] = 0.2, steps: int = 80) -> [] {
  integrate t in 0..1 using milstein(steps) { dx = κ * (θ - x) * dt + σ * sqrt(maximum(x, 0)) * dW }
  return x
}
export heston(x: [], v: [], ρ: [] = -0.7, steps: int = 80) -> ([], []) {
  integrate t in 0..1 using euler_maruyama(steps) {
    noise dB: [2]
    dZ = ρ * dB[0] + sqrt(1 - ρ^2) * dB[1]
    w = maximum(v, 0)
    dx = 0.03 * x * dt + sqrt(w) * x * dZ
    dv = 2 * (0.04 - w) * dt + 0.3 * sqrt(w) * dB[0]
  }
  return (x, v)
}
layer U(x: [2]) -> [] { return 0.5 * x[0]^2 + 2 * x[1]^2 }
export underdamped_langevin(x: [2], γ: [] = 1, steps: int = 100) -> [2] {
  v = 0 * x
  integrate t in 0..10 using sra1(steps) {
    dx = v * dt
    dv = (-γ * v - grad(U(x), x)) * dt + sqrt(2 * γ) * dW
  }
  return x
}
layer β(t: []) -> [] { return 0.1 + 19.9 * t }
layer score(x: [2], t: []) -> [2] {
  a = exp(-(0.1 * t + 9.95 * t^2) / 2)
  return -(x - a * [1, -2]) / (1 - 0.75 * a^2)
}
layer late(u: []) -> [] { return 1 - (1 - u)^2 }
export reverse_diffusion(x: [2], steps: int = 120) -> [2] {
  integrate t in 1..0 using euler_maruyama(steps, grid = late) {
    dx = (-β(t) / 2 * x - β(t) * score(x, t)) * dt + sqrt(β(t)) * dW
  }
  return x
}
layer to_one(x: [], t: []) -> [] { return (1 - x) / (1 - t) }
export brownian_bridge(x: [], steps: int = 50) -> [] {
  integrate t in 0..0.5 using euler_maruyama(steps, grid = cosine) { dx = to_one(x, t) * dt + dW }
  return x
}
export gaussian_bridge(x: [], steps: int = 60) -> [] {
  (a, b, σ) = (0.25, 2.25, 0.8)
  c = (sqrt(4 * a * b + σ^4) - σ^2) / 2
  integrate t in 0..1 using sra1(steps) {
    v = (1 - t)^2 * a + t^2 * b + t * (1 - t) * (2 * c + σ^2)
    pull = (t * b + (1 - 2 * t) * c - (1 - t) * a - σ^2 * t) / v
    dx = (3 + pull * (x - (3 * t - 1))) * dt + σ * dW
  }
  return x
}
"""


def fixed(*values: float) -> list[np.ndarray]:
    return [np.full(COUNT, v, np.float32) for v in values]


Z = np.random.default_rng(0).standard_normal((COUNT, 2)).astype(np.float32)
# Inputs, and the mean and the variance of the first result; a small part of the variance is the steps'.
ENDS: dict[str, tuple[list[np.ndarray], object, object]] = {
    "ornstein_uhlenbeck": (fixed(2.0), 0.7 + 1.3 * np.exp(-3), 0.16 / 3 * (1 - np.exp(-6))),
    "cox_ingersoll_ross": (
        fixed(0.03),
        0.05 - 0.02 * np.exp(-2),
        0.03 * 0.02 * (np.exp(-2) - np.exp(-4)) + 0.0005 * (1 - np.exp(-2)) ** 2,
    ),
    "heston": (fixed(1.0, 0.09), np.exp(0.03), None),
    "underdamped_langevin": ([0 * Z], [0, 0], [1, 0.25]),
    "reverse_diffusion": ([Z], [1, -2], [0.25, 0.25]),
    "brownian_bridge": (fixed(0.0), 0.5, 0.25),
    "gaussian_bridge": (
        [(0.5 * Z[:, 0] - 1).astype(np.float32)],
        2,
        2.25,
    ),  # Of Schrödinger, as Bunne et al. (2023) solve it.
}


@pytest.mark.parametrize("name", ENDS)
def test_the_end_has_its_mean_and_variance(name: str, program: Maker, tmp_path: Path) -> None:
    inputs, mean, variance = ENDS[name]
    model = load(export(program(MODELS), name, Trained({}), tmp_path).path, providers="cpu")
    names = ["x", "v"][: len(inputs)]
    end = model(**dict(zip(names, inputs, strict=True)), seed=1)
    x = next(iter(end.values())) if isinstance(end, dict) else end
    np.testing.assert_allclose(x.mean(0), mean, atol=5 * x.std() / np.sqrt(COUNT))
    if variance is not None:
        np.testing.assert_allclose(x.var(0), variance, rtol=0.08)
    if name == "gaussian_bridge":  # Its ends are coupled as the entropic plan couples them.
        plan = (np.sqrt(4 * 0.25 * 2.25 + 0.8**4) - 0.8**2) / 2
        np.testing.assert_allclose(np.cov(inputs[0], x)[0, 1], plan, atol=0.04)
