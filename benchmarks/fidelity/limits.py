"""Limits: many layers, many neurons.

Depth: a residual network whose weights move smoothly with depth tends to its neural differential equation, by steps of
Euler's method. Width: networks of n neurons, and n neurons as a measure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.fidelity.claim import Array, Claim, compiled, program_of, slope, trained
from mai.compiler.torch.parameters import first_value

DEPTHS = [8, 16, 32, 64, 128, 256, 512]
WIDTHS = [16, 32, 64, 128, 256, 512, 1024]
CLOUDS = [64, 256, 1024, 4096]
TRAINED = 1000
SEEDS = 5
DIRECTIONS = 256
RIDGE = 1e-6

# The weights move along a smooth path through `k` knots, as in `neural_ode.mai`; turn l of L is at depth l / L.
DEEP = """
const d = 8
const n = 32
const k = 4
net f(x: [d], s: []) -> [d] {
  param U: [k, n, d] ~ normal(0, 0.3)
  param V: [k, n, d] ~ normal(0, 0.5)
  w = softmax(-10 * (s - linspace(0, 1, k))^2)
  return einsum("k, k n d -> n d", w, U)' @ tanh(einsum("k, k n d -> n d", w, V) @ x)
}
export resnet(x: [d], L: int = 8) -> [d] {
  repeat L shared as l { x += 1 / L * f(x, l / L) }
  return x
}
export limit(x: [d]) -> [d] {
  integrate s in 0..1 using dopri5(rtol = 1e-6, atol = 1e-6) { dx/ds = f(x, s) }
  return x
}
"""


def claims() -> list[Claim]:
    return [depth(), width(), *mean_field()]


def depth() -> Claim:
    """|ResNet(L) - neural ODE| over L: Euler's method is of order 1."""
    program = program_of(DEEP)
    resnet, limit = compiled(program, "resnet"), compiled(program, "limit")
    x = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    there = limit(x=x)
    errors = [float(np.linalg.norm(resnet(x=x, L=depth) - there, axis=-1).mean()) for depth in DEPTHS]
    p = slope(DEPTHS, errors)
    measured = f"{p:.3f}; {errors[0]:.2g} to {errors[-1]:.2g}"
    statement = "|ResNet(L) - neural ODE| falls as 1/L, L = 8 to 512"
    return Claim("repeat, integrate", statement, "slope -1 ± 0.1", measured, abs(p + 1) <= 0.1, "(7), (8)")


def width() -> Claim:
    """Squared error of the best of n neurons, over n.

    Barron's theorem is about the best network; its error is at most that of neurons as they are drawn, with the outer
    weights that fit best, and the best of several draws. So where this falls as 1/n, the best does too, or faster.
    """
    errors = [min(_fitted(n, seed) for seed in range(SEEDS)) for n in WIDTHS]
    p = slope(WIDTHS, errors)
    measured = f"{p:.2f}; {errors[0]:.2g} to {errors[-1]:.2g}"
    statement = "squared error of n neurons falls at least as fast as 1/n, n = 16 to 1,024"
    return Claim("two_layer", statement, "slope at most -1", measured, p <= -1, "Barron 1993")


def _fitted(n: int, seed: int) -> float:
    """The error of `two_layer` on new points as a share of the target's variance, its outer weights by least squares."""
    program = program_of("two_layer", {"n": str(n)})
    weights = {name: first_value(w, seed) for name, w in program.weights.items()}
    g = np.random.default_rng(seed)
    x, unseen = (g.uniform(-1, 1, (count, 2)).astype(np.float32) for count in (8192, 2048))
    hidden = np.maximum(x @ weights["f.v"].T + weights["f.b"], 0).astype(np.float64) / n
    gram = hidden.T @ hidden
    gram[np.diag_indices(n)] += RIDGE * np.trace(gram) / n
    weights["f.u"] = np.linalg.solve(gram, hidden.T @ _target(x)).astype(np.float32)
    predicted, wanted = compiled(program, "predict", weights)(x=unseen), _target(unseen)
    return float(np.mean((predicted - wanted) ** 2) / np.var(wanted))


def _target(x: Array) -> Array:
    """The formula of `two_layer.mai`."""
    target: Array = np.sin(3 * x[:, 0].astype(np.float64)) * np.cos(2 * x[:, 1].astype(np.float64))
    return target


def mean_field() -> list[Claim]:
    """n neurons and 4 n, begun and trained alike: the distance of their clouds over training, and of what they compute."""
    runs = {n: trained("two_layer", steps=TRAINED, sets={"n": str(n)}) for n in CLOUDS}
    paths = {n: np.load(weights.parent / "records.npz") for n, (_, weights) in runs.items()}
    pairs = list(pairwise(CLOUDS))
    apart = [float(np.mean(_distances(paths[a], paths[b]))) for a, b in pairs]
    g = np.random.default_rng(0)
    x = g.uniform(-1, 1, (2048, 2)).astype(np.float32)
    predictions = {n: compiled(program, "predict", weights)(x=x) for n, (program, weights) in runs.items()}
    gaps = [float(np.sqrt(np.mean((predictions[a] - predictions[b]) ** 2))) for a, b in pairs]
    about = ", ".join(f"{a:,}" for a, _ in pairs)
    return [
        _falls(f"clouds of n and 4 n neurons (u, v, b) move alike: sliced W2 over all training, n = {about}", apart),
        _falls(f"trained networks of n and 4 n neurons compute the same: RMS difference, n = {about}", gaps),
    ]


def _falls(statement: str, figures: list[float]) -> Claim:
    holds = all(b < a for a, b in pairwise(figures))
    return Claim("two_layer", statement, "falls", ", ".join(f"{v:.2g}" for v in figures), holds, "mean field, (6)")


def _distances(a: Any, b: Any) -> list[float]:
    """The sliced 2-Wasserstein distance of two clouds of neurons at every time that was kept."""
    assert np.array_equal(a["f.u.steps"], b["f.u.steps"])
    return [sliced(_cloud(a, row), _cloud(b, row)) for row in range(len(a["f.u.steps"]))]


def _cloud(path: Any, row: int) -> Array:
    """The neurons of one record as points (u, v, b)."""
    equation: Array = np.column_stack([path[name][row] for name in ("f.u", "f.v", "f.b")])
    return equation


def sliced(a: Array, b: Array) -> float:
    """(mean over directions of W2^2 of the projections)^(1/2), by quantiles: Bonneel et al. 2015."""
    g = np.random.default_rng(0)
    directions = g.normal(size=(DIRECTIONS, a.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    levels = (np.arange(4096) + 0.5) / 4096
    quantiles = [np.quantile(c @ directions.T, levels, axis=0) for c in (a, b)]
    return float(np.sqrt(np.mean((quantiles[0] - quantiles[1]) ** 2)))
