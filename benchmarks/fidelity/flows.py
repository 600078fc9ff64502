"""Likelihood: densities that move along a flow (11)."""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture

from benchmarks.fidelity.claim import Array, Claim, compiled, program_of, trained
from mai.compiler.data.source_kinds import generator
from mai.compiler.data.sources.checkerboard import Checkerboard

COMPONENTS = 10
TRAINING, HELD_OUT = 18_000, 10_000
CHUNK = 4096

# A velocity a x + b, with its own a and b in each coordinate.
AFFINE = """
export log_density(x: [2]) -> [] {
  l = 0
  integrate s in 1..0 using dopri5(rtol = 1e-5, atol = 1e-5) {
    v = [0.7, -0.4] * x + [1, -0.5]
    dx/ds = v
    dl/ds = div(v, x)
  }
  return l + log_normal(x)
}
"""
RATE, PUSH = np.array([0.7, -0.4]), np.array([1.0, -0.5])


def claims() -> list[Claim]:
    return [gaussians(), mass(), mixture()]


def gaussians() -> Claim:
    """dx/ds = a x + b carries N(0, 1) to N((e^a - 1) b / a, e^2a), in each coordinate."""
    x = np.random.default_rng(0).normal(0, 2, (1000, 2)).astype(np.float32)
    mean, deviation = np.expm1(RATE) * PUSH / RATE, np.exp(RATE)
    exact = (-0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2 * np.pi)).sum(1)
    off = float(np.abs(compiled(program_of(AFFINE), "log_density")(x=x) - exact).max())
    return Claim("log_density", "a flow between Gaussians has a closed form", "1e-3", f"{off:.1e}", off <= 1e-3, "(11)")


def mass() -> Claim:
    """On a grid of [-3, 4] x [-3, 3.5], in steps of the data's noise."""
    program, weights = trained("moons_flow")
    step = 0.05
    grid = np.stack(np.meshgrid(np.arange(-3, 4, step), np.arange(-3, 3.5, step)), -1).reshape(-1, 2).astype(np.float32)
    model = compiled(program, "log_density", weights)
    density = np.concatenate([np.exp(model(x=grid[i : i + CHUNK])) for i in range(0, len(grid), CHUNK)])
    total = float(density.astype(np.float64).sum() * step**2)
    holds = abs(total - 1) <= 0.01
    return Claim("moons_flow", "exp(log_density) integrates to 1", "1 ± 0.01", f"{total:.4f}", holds, "(11)")


def mixture() -> Claim:
    """Nats a point that neither has seen, against a mixture of 10 Gaussians, the best of ten beginnings."""
    program, weights = trained("normalizing_flow")
    held = _board(1, HELD_OUT)
    flow = float(compiled(program, "density", weights)(x=held.astype(np.float32)).mean())
    rival = GaussianMixture(COMPONENTS, n_init=10, random_state=0).fit(_board(0, TRAINING)).score(held)
    entropy = -np.log(8)
    measured = f"{flow:.3f} against {rival:.3f}; the data's own {entropy:.3f}"
    statement = f"log density of new checkerboard points, against a mixture of {COMPONENTS} Gaussians"
    return Claim("normalizing_flow", statement, "more", measured, flow > rival, "(11)")


def _board(seed: int, count: int) -> Array:
    made: Array = Checkerboard().draw(generator(seed, 99), count)[0]
    return made
