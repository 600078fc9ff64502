"""A Gaussian process in the language: its likelihood, the derivative of it, and its predictions at free sizes, against numpy's."""

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

SPEC = """
# Rasmussen and Williams 2006, algorithm 2.1.
const noise = 0.2
layer kernel(a: [N, 1], b: [M, 1], length: []) -> [N, M] { return exp(-0.5 * sum((a[:, None] - b)^2, axis = -1) / length^2) }
layer factor(x: [N, 1], length: []) -> [N, N] { return cholesky(kernel(x, x, length) + noise^2 * identity(N)) }
layer loss(x: [N, 1], y: [N], length: []) -> [] {
  R = factor(x, length)
  return 0.5 * sum(solve_triangular(R, y)^2) + sum(log(diagonal(R)))
}
export likelihood(x: [N, 1], y: [N], length: []) -> ([], []) {
  e = loss(x, y, length)
  return (e, grad(e, length))
}
export predict(x: [N, 1], y: [N], asked: [M, 1], length: []) -> ([M], [M]) {
  R = factor(x, length)
  A = solve_triangular(R, kernel(x, asked, length))
  return (A' @ solve_triangular(R, y), sqrt(1 + noise^2 - sum(A^2, axis = 0)))
}
"""


def kernel(a: Array, b: Array, length: float) -> Array:
    return np.asarray(np.exp(-0.5 * (a - b.T) ** 2 / length**2))


def loss(x: Array, y: Array, length: float) -> float:
    k = kernel(x, x, length) + 0.04 * np.eye(len(x))
    return float(0.5 * y @ np.linalg.solve(k, y) + 0.5 * np.linalg.slogdet(k)[1])


@pytest.mark.parametrize("size", [1, 6, 20])
def test_likelihood_and_predictions(program: Callable[[str], Program], tmp_path: Path, size: int) -> None:
    spec = program(SPEC)
    trained = Trained(load_weights(spec, None)[0])
    models = {n: load(export(spec, n, trained, tmp_path).path, providers="cpu") for n in ("likelihood", "predict")}
    rng = np.random.default_rng(0)
    x, asked = rng.uniform(-2, 2, (2, size, 1)), rng.uniform(-2, 2, (2, 4, 1))
    y, length = np.sin(2 * x[..., 0]), np.array([0.5, 1.5])
    feed = {n: np.asarray(a, np.float32) for n, a in {"x": x, "y": y, "length": length}.items()}
    value, slope = models["likelihood"](**feed).values()
    mean, deviation = models["predict"](**feed, asked=np.asarray(asked, np.float32)).values()
    for i in range(2):
        np.testing.assert_allclose(value[i], loss(x[i], y[i], length[i]), rtol=1e-4, atol=1e-4)
        moved = [loss(x[i], y[i], length[i] + step) for step in (1e-5, -1e-5)]
        np.testing.assert_allclose(slope[i], (moved[0] - moved[1]) / 2e-5, rtol=1e-3, atol=1e-3)
        k = kernel(x[i], x[i], length[i]) + 0.04 * np.eye(size)
        across = kernel(x[i], asked[i], length[i])
        np.testing.assert_allclose(mean[i], across.T @ np.linalg.solve(k, y[i]), atol=1e-4)
        variance = 1.04 - (across * np.linalg.solve(k, across)).sum(0)
        np.testing.assert_allclose(deviation[i], np.sqrt(variance), atol=1e-4)
