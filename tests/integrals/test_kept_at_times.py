"""`keep x at times as xs`: closed forms, orders, either direction, ways of each example's own, derivatives, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import RK23, RK45

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS, Solver, Tableau
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import Model, load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
ADAPTIVE = [name for name, solver in SOLVERS.items() if solver.adaptive]
EXPLICIT = [name for name in ADAPTIVE if not SOLVERS[name].implicit]
FIXED = [s for s in SOLVERS.values() if s.plannable]
METHODS = ["rk4(40)", "ab3(400)", *(f"{name}(rtol = 1e-6, atol = 1e-8)" for name in ADAPTIVE)]
OWN = """
export f(x: [], times: [N], a: [], b: []) -> ([N], []) {{
  integrate s in a..b using {method} {{ dx/ds = s * x }} keep x at times as xs
  return (xs, x)
}}
"""
START = np.array([0.0, 0.5, 1.0, 2.0], np.float32)
STOP = np.array([1.0, 0.5, -1.0, 1.5], np.float32)
SHARES = np.array([0.3, 1.0, 0.0, 0.3, 0.85, 0.999, -0.1, 1.2], np.float32)  # Unsorted, twice, at both ends, outside.


def opened(program: Maker, folder: Path, text: str) -> Model:
    return load(export(program(text), "f", Trained({}), folder).path, providers="cpu")


def own_times() -> Array:
    """For each example, times on its own way; an empty way has its start, and times beside it."""
    times = START[:, None] + (STOP - START)[:, None] * SHARES
    times[1] = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4, 0.6]
    return times.astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_unsorted_times_of_each_example(method: str, program: Maker, tmp_path: Path) -> None:
    """exp((t^2 - a^2) / 2) on the way, not a number outside; alike in numpy, torch and the file, alone as in a batch."""
    spec = program(OWN.format(method=method))
    graph, times = forms.prepare(spec.exports["f"]), own_times()
    exact = np.exp((times**2 - START[:, None] ** 2) / 2)
    exact[:, 6:] = np.nan
    arrays = {"x": np.ones(4, np.float32), "times": times, "a": START, "b": STOP}
    model = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")
    in_file = model(**arrays)["xs"]
    for rows in (evaluate(graph, arrays, {}, {})[0], run(lower(graph, Weights({})), graph, arrays, {})[0], in_file):
        np.testing.assert_allclose(rows, exact, rtol=3e-5)
    for i in range(4):
        alone = model(**{name: array[i : i + 1] for name, array in arrays.items()})["xs"]
        np.testing.assert_array_equal(alone[0], in_file[i])


@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_between_steps_the_order_is_the_methods(solver: Solver, program: Maker) -> None:
    text = (
        "export f(x: [2], times: [N], steps: int = 8) -> [N, 2] {\n"
        f"  integrate s in 0..1 using {solver.name}(steps) {{ dx/ds = [x[1], -x[0] + cos(3 * s)] }}"
        " keep x at times as xs\n  return xs\n}\n"
    )
    graph = forms.prepare(program(text).exports["f"])
    x, times = np.array([[1.0, 0.3]]), np.linspace(0.01, 0.99, 23)[None]
    arrays = {"x": x, "times": times}
    # x'' = -x + cos(3 s): A cos s + B sin s - cos(3 s) / 8, with A and B of the start.
    position = 1.125 * np.cos(times[0]) + 0.3 * np.sin(times[0]) - np.cos(3 * times[0]) / 8
    velocity = -1.125 * np.sin(times[0]) + 0.3 * np.cos(times[0]) + 0.375 * np.sin(3 * times[0])
    exact = np.stack([position, velocity], -1)[None]
    steps = np.array([32, 64, 128])
    errors = [np.abs(evaluate(graph, arrays, {"steps": n}, {})[0] - exact).max() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(slope - solver.order) < 0.2


@pytest.mark.parametrize("name", EXPLICIT)
def test_polynomials_have_the_order_conditions(name: str) -> None:
    """sum_i b_i(p) c_i^k = p^(k+1) / (k+1) up to their order, and at the end of a step they are its weights."""
    rule = SOLVERS[name].rule
    assert isinstance(rule, Tableau)
    rows, c = np.array(rule.dense, float), np.array(rule.c, float)
    np.testing.assert_allclose(rows.sum(1), np.array(rule.b, float), atol=1e-13)
    for part in (0.2, 0.5, 0.9):
        weights = rows @ part ** np.arange(1, rows.shape[1] + 1)
        for k in range(min(SOLVERS[name].order, 4)):
            assert abs(weights @ c**k - part ** (k + 1) / (k + 1)) < 1e-12
    reference = {"bosh3": RK23, "dopri5": RK45}.get(name)
    if reference is not None:
        np.testing.assert_allclose(rows, reference.P, atol=1e-13)


@pytest.mark.parametrize("method", ["rk4(20)", "dopri5(rtol = 1e-6, atol = 1e-8)"])
def test_derivatives_by_parameters_and_times(method: str, program: Maker) -> None:
    """Of exp(-w t): -t exp(-w t) by w; by a time that the text moves, -w exp(-w t)."""
    text = (
        "net f(t: [N]) -> [N] {\n  param w: [] = 0.7\n  param u: [] = 0.1\n  x = 1\n"
        f"  integrate s in 0..2 using {method} {{ dx/ds = -w * x }} keep x at t + u as xs\n  return xs\n}}\n"
        "export g(t: [N]) -> [] { return sum(f(t)) }\n"
    )
    times = np.array([[0.3, 1.7, 0.0], [1.0, 0.2, 0.9]], np.float32)
    spec = program(text)
    weights = Weights(spec.weights).initialise(0)
    lower(forms.prepare(spec.exports["g"]), weights).forward(torch.from_numpy(times))[0].mean().backward()
    gradients = {name.rpartition(".")[2]: weight.grad for name, weight in weights.named_parameters()}
    late = times + np.float32(0.1)
    y = np.exp(-0.7 * late)
    np.testing.assert_allclose(gradients["w"], (-late * y).sum(1).mean(), rtol=1e-3)
    np.testing.assert_allclose(gradients["u"], (-0.7 * y).sum(1).mean(), rtol=1e-3)


def test_a_derivative_in_the_file(program: Maker, tmp_path: Path) -> None:
    text = (
        "export f(x: [], t: [N]) -> [] {\n  y = x\n"
        "  integrate s in 0..2 using rk4(20) { dy/ds = -y * y } keep y at t as ys\n  return grad(sum(ys), x)\n}\n"
    )
    x, t = np.array([1.0, 0.5], np.float32), np.array([[0.5, 2.0, 1.3], [0.0, 0.7, 0.7]], np.float32)
    result = opened(program, tmp_path, text)(x=x, t=t)
    np.testing.assert_allclose(result, (1 / (1 + x[:, None] * t) ** 2).sum(1), rtol=1e-4)


def test_paths_and_times_beside_each_other(program: Maker, tmp_path: Path) -> None:
    """Constant times, one time, whole paths and states at times, in the order of the text."""
    text = (
        "export f(x: [2]) -> ([3, 2], [], [5, 2]) {\n  l = 1\n  integrate s in 1..0 using rk4(4) {\n"
        "    dx/ds = x\n    dl/ds = 2 * s\n  } keep x at [1, 0.25, 0.5] as xs, x as path, l at 0.5 as l_half\n"
        "  return (xs, l_half, path)\n}\n"
    )
    x = np.array([[1.0, -2.0]], np.float32)
    results = opened(program, tmp_path, text)(x=x)
    np.testing.assert_allclose(results["xs"][0], results["path"][0, [0, 3, 2]], rtol=1e-6)
    np.testing.assert_allclose(results["l_half"], [0.25], rtol=1e-6)


def test_a_noisy_path_is_straight_between_two_steps(program: Maker, tmp_path: Path) -> None:
    text = (
        "export f(x: []) -> ([11], [3]) {\n"
        "  integrate s in 0..1 using euler_maruyama(10) { dx = 0.3 * dW } keep x as xs, x at [0.2, 0.25, 1] as at\n"
        "  return (xs, at)\n}\n"
    )
    results = opened(program, tmp_path, text)(x=np.zeros(2, np.float32))
    xs, at = results["xs"], results["at"]
    np.testing.assert_allclose(at, np.stack([xs[:, 2], (xs[:, 2] + xs[:, 3]) / 2, xs[:, 10]], 1), atol=1e-6)


@pytest.mark.parametrize(
    ("solver", "keep", "slug"),
    [
        ("dopri5(adjoint = true)", "x at [0.5] as xs", "no-path"),
        ("rk4(8, adjoint = true)", "x at [0.5] as xs", "no-path"),
        ("dopri5()", "y at [0.5] as xs", "unknown-state"),
    ],
)
def test_what_is_refused(solver: str, keep: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(
        f"export f(x: []) -> [1] {{\n  integrate s in 0..1 using {solver} {{ dx/ds = x }} keep {keep}\n  return xs\n}}\n"
    )
    assert slug in [d.slug for d in check(path).diagnostics]


def test_times_far_outside_are_no_number_at_every_turn(program: Maker, tmp_path: Path) -> None:
    """The gate compares what loops keep: a polynomial a hundred steps away from its own is roundings alone."""
    checked = program(
        "export f(x: [3], times: [T]) -> [T + 2, 3] {\n"
        "  asked = concat([0, 0.01], times)\n"
        "  integrate s in 0..0.01 using dopri5(rtol = 1e-4) { dx/ds = sin(30 * x) } keep x at asked as xs\n"
        "  return xs\n}\n"
    )
    file = load(export(checked, "f", Trained({}), tmp_path).path, providers="cpu")
    rows = file(x=[[0.1, 0.2, 0.3]], times=[[-50.0, 0.01, 70.0]])[0]
    np.testing.assert_allclose(rows[0], [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(rows[1], rows[3], rtol=1e-6)
    assert np.isnan(rows[[2, 4]]).all()
