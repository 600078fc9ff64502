"""Integrals between bounds of each example's own: closed forms, either direction, empty ones, in loops, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import Model, load
from tests.support.objective import objective

Maker = Callable[[str], Program]
START = np.array([0.0, 0.5, 1.0, 2.0, -1.0, 0.7], np.float32)
STOP = np.array([1.0, 0.5, 0.0, 1.0, 1.0, -0.4], np.float32)
ONES = np.ones(6, np.float32)
METHODS = ["rk4(40)", "ab3(400)", "dopri5(rtol = 1e-6, atol = 1e-8)", "tsit5(rtol = 1e-6, atol = 1e-8)"]


def opened(program: Maker, folder: Path, text: str) -> Model:
    return load(export(program(text), "f", Trained({}), folder).path, providers="cpu")


@pytest.mark.parametrize("method", METHODS)
def test_every_example_goes_its_own_way(method: str, program: Maker, tmp_path: Path) -> None:
    """dx/ds = s x has the solution exp((b^2 - a^2) / 2), whatever the direction; alone as in a batch."""
    text = f"export f(x: [], a: [], b: []) -> [] {{\n  integrate s in a..b using {method} {{ dx/ds = s * x }}\n  return x\n}}\n"
    model = opened(program, tmp_path, text)
    together = model(x=ONES, a=START, b=STOP)
    np.testing.assert_allclose(together, np.exp((STOP**2 - START**2) / 2), rtol=2e-5)
    np.testing.assert_allclose(model(x=ONES[:1], a=START[1:2], b=STOP[1:2]), [1.0])
    np.testing.assert_array_equal(model(x=ONES[:1], a=START[3:4], b=STOP[3:4]), together[3:4])


def test_one_bound_of_its_own_is_enough(program: Maker, tmp_path: Path) -> None:
    text = "export f(t: []) -> [] {\n  x = 1\n  integrate s in 0..t using rk4(20) { dx/ds = -x } keep x as xs\n  return xs[10]\n}\n"
    np.testing.assert_allclose(opened(program, tmp_path, text)(t=STOP), np.exp(-STOP / 2), rtol=1e-5)


def test_bounds_that_a_loop_moves(program: Maker, tmp_path: Path) -> None:
    """From each time to the next, as irregular series ask for."""
    text = (
        "export f(x: [], times: [T]) -> [] {\n  before = 0\n  repeat T shared as i {\n"
        "    integrate s in before..times[i] using dopri5(rtol = 1e-6) { dx/ds = -x * s }\n    before = times[i]\n  }\n"
        "  return x\n}\n"
    )
    times = np.sort(np.random.default_rng(0).uniform(0, 2, (4, 5)).astype(np.float32))
    times[1, 2] = times[1, 1]
    result = opened(program, tmp_path, text)(x=np.ones(4, np.float32), times=times)
    np.testing.assert_allclose(result, np.exp(-(times[:, -1] ** 2) / 2), rtol=2e-5)


def test_noise_has_the_variance_of_its_own_time(program: Maker, tmp_path: Path) -> None:
    text = (
        "export f(t: []) -> [] {\n  x = 0\n  integrate s in 0..t using euler_maruyama(50) { dx = 0.3 * ds + 2 * dW }\n"
        "  return x\n}\n"
    )
    times, count = np.array([0.5, 2.0, -1.0, 0.0], np.float32), 4000
    drawn = opened(program, tmp_path, text)(t=np.repeat(times, count)).reshape(4, count)
    np.testing.assert_allclose(drawn.mean(1), 0.3 * times, atol=5 * 2 * np.sqrt(2 / count))
    np.testing.assert_allclose(drawn.var(1), 4 * np.abs(times), rtol=6 * np.sqrt(2 / count))


def test_the_derivative_by_a_bound_is_the_velocity_there(program: Maker, tmp_path: Path) -> None:
    text = (
        "export f(x: [], a: [], b: []) -> ([], []) {\n  y = x\n  integrate s in a..b using rk4(40) { dy/ds = s * y }\n"
        "  return (grad(y, b), grad(y, a))\n}\n"
    )
    results = opened(program, tmp_path, text)(x=ONES, a=START, b=STOP)
    y = np.exp((STOP**2 - START**2) / 2)
    np.testing.assert_allclose(results["f_0"], STOP * y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results["f_1"], -START * y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("solver", ["rk4(20{})", "dopri5(rtol = 1e-5, atol = 1e-6{})"])
def test_the_adjoint_equation_has_the_same_gradients(solver: str, program: Maker) -> None:
    text = (
        "data x: [2], y: [2] from moons()\nnet f(x: [2], t: []) -> [2] {{\n  param U: [8, 2] ~ normal(0, 0.5)\n"
        "  param V: [8, 2] ~ normal(0, 1)\n  integrate s in 0.1..t using {} {{ dx/ds = U' @ tanh(V @ x + s) }}\n  return x\n}}\n"
        "train(steps = 10, batch = 16) {{ minimize sum((f(x, sum(x)) - 1)^2) }}\n"
    )
    loss, parameters = objective(program(text.format(solver.format(""))), adjoint=False)
    wanted = torch.autograd.grad(loss, parameters)
    again, parameters = objective(program(text.format(solver.format(", adjoint = true"))), adjoint=True)
    for gradient, exact in zip(torch.autograd.grad(again, parameters), wanted, strict=True):
        assert (gradient - exact).norm() < 1e-3 * exact.norm()


def test_a_row_of_bounds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(
        "export f(x: [], t: [3]) -> [] {\n  integrate s in 0..t using rk4(9) { dx/ds = -x }\n  return x\n}\n",
        encoding="utf-8",
    )
    (error,) = check(path).diagnostics
    assert error.slug == "rank-mismatch" and "bounds are numbers" in error.message
