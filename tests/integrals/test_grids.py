"""Steps between times of a grid: orders, closed forms, and the same in numpy, torch and ONNX, in either direction."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.passes.loops.retime import Switches
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS, Solver
from mai.compiler.solvers.grid import Plan
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import Model, load
from tests.support.objective import objective

Maker = Callable[[str], Program]
Array = np.ndarray
WARP = "layer warp(u: []) -> [] { return u^2 + 0.3 * u }\n"
GRIDS = ["power(3)", "cosine", "warp"]
FIXED = [s for s in SOLVERS.values() if s.plannable]
FORCED = "dx/ds = cos(3 * s) - x"


def forced(x: Array, time: Array | float) -> Array:
    """The solution of dx/ds = cos 3s - x."""
    part = (np.cos(3 * np.asarray(time)) + 3 * np.sin(3 * np.asarray(time))) / 10
    return (x - 0.1) * np.exp(-np.asarray(time)) + part


def ends(program: Maker, text: str, inputs: dict[str, Array], **settings: int) -> list[Array]:
    return evaluate(forms.prepare(program(WARP + text).exports["f"]), inputs, settings, {})


def opened(program: Maker, folder: Path, text: str, options: CompileOptions | None = None) -> Model:
    exported = export(program(WARP + text), "f", Trained({}), folder, *([] if options is None else [options]))
    return load(exported.path, providers="cpu")


# ---------------------------------------------------------------------- orders


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_the_order_is_that_of_even_steps(solver: Solver, grid: str, program: Maker) -> None:
    text = (
        f"export f(x: [2], steps: int = 8) -> [2] {{\n  integrate s in 0..1 using {solver.name}(steps, grid = {grid}) "
        f"{{ {FORCED} }}\n  return x\n}}\n"
    )
    graph = forms.prepare(program(WARP + text).exports["f"])
    x = np.random.default_rng(1).standard_normal((4, 2))
    steps = np.array([64, 128, 256])
    errors = [np.abs(evaluate(graph, {"x": x}, {"steps": n}, {})[0] - forced(x, 1)).max() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(slope - solver.order) < 0.2


# Of dx = x (0.3 dt + 0.8 dB), and the solution's exponent beside 0.8 B: by Ito's integral, and by Stratonovich's.
STRONG = {"euler_maruyama": (0.5, 0.3 - 0.32), "milstein": (1.0, 0.3 - 0.32), "stratonovich_heun": (1.0, 0.3)}


@pytest.mark.parametrize("name", STRONG)
def test_paths_with_noise_come_as_near(name: str, program: Maker) -> None:
    order, drift = STRONG[name]
    text = (
        f"export f(x: [], steps: int = 8) -> ([], []) {{\n  w = 0\n  integrate s in 0..1 using {name}(steps, grid = warp) {{\n"
        "    noise dB: []\n    dx = x * (0.3 * ds + 0.8 * dB)\n    dw = dB\n  }\n  return (x, w)\n}\n"
    )
    graph = forms.prepare(program(WARP + text).exports["f"])
    steps, errors = [16, 32, 64, 128], []
    for count in steps:
        x, w = evaluate(graph, {"x": np.ones(4000)}, {"steps": count, "seed": 3}, {})
        errors.append(np.abs(x - np.exp(drift + 0.8 * w)).mean())
    assert abs(-np.polyfit(np.log(steps), np.log(errors), 1)[0] - order) < 0.12


@pytest.mark.parametrize("solver", [s.name for s in SOLVERS.values() if s.stochastic])
@pytest.mark.parametrize("bounds", ["0..2", "2..0"])
def test_a_step_has_noise_of_its_own_length(solver: str, bounds: str, program: Maker) -> None:
    text = (
        f"export f(x: [], steps: int = 5) -> [steps + 1] {{\n  integrate s in {bounds} using {solver}(steps, grid = power(2)) "
        "{ dx = 0 * ds + dW } keep x as xs\n  return xs\n}\n"
    )
    (paths,) = ends(program, text, {"x": np.zeros(5000)}, seed=1)
    lengths = np.diff(2 * np.linspace(0, 1, 6) ** 2)
    wanted = lengths if bounds == "0..2" else lengths[::-1]
    np.testing.assert_allclose(np.diff(paths, axis=1).var(0), wanted, rtol=6 * np.sqrt(2 / 5000))


def test_the_integral_of_a_noise_is_that_of_uneven_steps(program: Maker) -> None:
    """Of x = int s dB, `sra1` is exact: the variance is 1/3, whatever the steps."""
    text = (
        "export f(x: []) -> [] {\n  integrate s in 0..1 using sra1(3, grid = power(2)) { dx = s * dW }\n  return x\n}\n"
    )
    (x,) = ends(program, text, {"x": np.zeros(40_000)}, seed=1)
    assert abs(x.var() - 1 / 3) < 6 * np.sqrt(2 / 40_000) / 3


# ----------------------------------------------------------------------- times


def test_a_power_is_that_of_karras(program: Maker, tmp_path: Path) -> None:
    """Equation 5 of Karras et al. (2022), down to the last digit that a file has."""
    text = (
        "export f(t: []) -> [19] {\n  integrate σ in 80..0.002 using euler(18, grid = power(7)) { dt/dσ = 1 } keep t as ts\n"
        "  return ts\n}\n"
    )
    low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
    wanted = (high + np.arange(19) / 18 * (low - high)) ** 7
    (exact,) = ends(program, text, {"t": np.array([80.0])})
    np.testing.assert_allclose(exact[0], wanted, rtol=1e-9)
    np.testing.assert_allclose(
        opened(program, tmp_path, text)(t=np.array([80.0], np.float32))[0], wanted, rtol=1e-5, atol=1e-5
    )


TIMES = {
    "power(2), 0..2": 2 * np.linspace(0, 1, 5) ** 2,
    "power(2), 2..0": 2 * np.linspace(1, 0, 5) ** 2,
    "power(2), -2..0": -2 * np.linspace(1, 0, 5) ** 2,
    "cosine, 1..3": 2 - np.cos(np.pi * np.linspace(0, 1, 5)),
    "warp, 1..3": 1 + 2 * (np.linspace(0, 1, 5) ** 2 + 0.3 * np.linspace(0, 1, 5)) / 1.3,
    "sqrt, 3..1": 3 - 2 * np.sqrt(np.linspace(0, 1, 5)),
    "bent(k = 2), 0..1": np.expm1(2 * np.linspace(0, 1, 5)) / np.expm1(2),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_lie_where_the_grid_says(name: str, program: Maker) -> None:
    grid, bounds = name.split(", ")
    text = (
        f"layer bent(u: [], k) -> [] {{ return exp(k * u) }}\nexport f(x: []) -> [5] {{\n"
        f"  integrate s in {bounds} using euler(4, grid = {grid}) {{ dx/ds = 1 }} keep x as xs\n  return xs\n}}\n"
    )
    (end,) = ends(program, text, {"x": np.array([TIMES[name][0]])})
    np.testing.assert_allclose(end[0], TIMES[name], atol=1e-12)


def by_hand(x: Array, times: Array) -> Array:
    for a, b in itertools.pairwise(times):
        x = x + (b - a) * (np.cos(3 * a) - x)
    return x


def test_listed_times_say_how_many_steps_there_are(program: Maker) -> None:
    text = "export f(x: []) -> [] {\n  integrate s in 0..1 using euler(grid = [0, 0.2, 0.9, 1]) { dx/ds = cos(3 * s) - x }\n  return x\n}\n"
    x = np.array([0.5, -1.0])
    np.testing.assert_allclose(ends(program, text, {"x": x})[0], by_hand(x, np.array([0, 0.2, 0.9, 1])))


def test_times_of_each_example(program: Maker, tmp_path: Path) -> None:
    """A time may come twice; times are taken in the order of the way, and those beyond it make no step."""
    text = (
        "export f(x: [], a: [], b: [], times: [T]) -> [] {\n  integrate s in a..b using euler(grid = times) "
        "{ dx/ds = cos(3 * s) - x }\n  return x\n}\n"
    )
    x = np.array([0.5, -1.0, 2.0], np.float32)
    times = np.array([[0, 0.2, 0.2, 1], [2, 1.5, 0.3, 0.1], [-3, 0.6, 0.3, 1]], np.float32)
    taken = np.array([[0, 0.2, 0.2, 1], [2, 1.5, 0.3, 0.1], [0, 0.3, 0.6, 1]], np.float32)
    result = opened(program, tmp_path, text)(x=x, a=taken[:, 0], b=taken[:, -1], times=times)
    np.testing.assert_allclose(result, [by_hand(y, row) for y, row in zip(x, taken, strict=True)], rtol=1e-5)


def test_a_function_that_turns_back_gives_no_numbers(program: Maker) -> None:
    text = (
        "layer back(u: []) -> [] { return sin(4 * u) }\nexport f(x: []) -> [] {\n"
        "  integrate s in 0..1 using euler(9, grid = back) { dx/ds = -x }\n  return x\n}\n"
    )
    assert np.isnan(ends(program, text, {"x": np.ones(1)})[0]).all()


# ----------------------------------------------------------- what goes with it


@pytest.mark.parametrize("method", ["rk4(60", "ab3(200", "heun(400"])
@pytest.mark.parametrize("bounds", ["0..1", "1..0"])
def test_states_at_times_and_the_way_there(method: str, bounds: str, program: Maker, tmp_path: Path) -> None:
    text = (
        f"export f(x: [], times: [4]) -> [4] {{\n  integrate s in {bounds} using {method}, grid = power(3)) {{ {FORCED} }} "
        "keep x at times as xs\n  return xs\n}\n"
    )
    times = np.array([[0.0, 0.001, 0.37, 1.0], [0.9, 0.9, 0.05, 1.5]], np.float32)
    begin = 0.0 if bounds == "0..1" else 1.0
    x = forced(np.array([0.5, -1.0]), begin).astype(np.float32)
    result = opened(program, tmp_path, text)(x=x, times=times)
    wanted = forced(np.array([[0.5], [-1.0]]), times)
    np.testing.assert_allclose(result[:, :3], wanted[:, :3], atol=2e-5)
    assert np.isclose(result[0, 3], wanted[0, 3], atol=2e-5) and np.isnan(result[1, 3])


@pytest.mark.parametrize("method", ["rk4(40", "ab3(300"])
def test_an_event_in_an_uneven_step(method: str, program: Maker, tmp_path: Path) -> None:
    """A fall from h: the ground is hit after sqrt(2 h / 9.81), and the derivative of that time is half of it over h."""
    text = (
        f"export f(h: []) -> ([], [], []) {{\n  y = h\n  v = 0\n  integrate t in 0..2 using {method}, grid = power(2)) {{\n"
        "    dy/dt = v\n    dv/dt = -9.81\n  } until y < 0 as hit\n  return (hit, v, grad(hit, h))\n}\n"
    )
    height = np.array([0.5, 1.0, 3.0], np.float32)
    hit, v, slope = opened(program, tmp_path, text)(h=height).values()
    exact = np.sqrt(2 * height / 9.81)
    np.testing.assert_allclose(hit, exact, rtol=2e-5)
    np.testing.assert_allclose(v, -9.81 * exact, rtol=2e-5)
    np.testing.assert_allclose(slope, exact / (2 * height), rtol=1e-4)


@pytest.mark.parametrize("method", ["rk4(40", "ab2(600", "milstein(400"])
def test_bounds_of_each_example(method: str, program: Maker, tmp_path: Path) -> None:
    """dx/ds = s x has the solution exp((b^2 - a^2) / 2), either way; an empty way leaves x; alone as in a batch."""
    moves = "dx = s * x * ds + 0 * dW" if "milstein" in method else "dx/ds = s * x"
    text = (
        f"export f(x: [], a: [], b: []) -> [] {{\n  integrate s in a..b using {method}, grid = power(2)) {{ {moves} }}\n"
        "  return x\n}\n"
    )
    a, b = (np.array(v, np.float32) for v in ([0, 0.5, 1, -1], [1, 0.5, 0, 1]))
    model = opened(program, tmp_path, text)
    together = model(x=np.ones(4, np.float32), a=a, b=b)
    np.testing.assert_allclose(together, np.exp((b**2 - a**2) / 2), rtol=1e-2 if "milstein" in method else 5e-5)
    np.testing.assert_array_equal(model(x=np.ones(1, np.float32), a=a[2:3], b=b[2:3]), together[2:3])


def test_derivatives_go_through_the_times(program: Maker, tmp_path: Path) -> None:
    """By the exponent of a grid and by a bound, against differences in float64."""
    text = (
        "layer bent(u: [], k: []) -> [] { return exp(k * u) }\nexport f(x: [], k: [], b: []) -> ([], [], []) {\n  y = x\n"
        "  integrate s in 0..b using ab3(6, grid = bent(k = k)) { dy/ds = cos(3 * s) - y }\n"
        "  return (y, grad(y, k), grad(y, b))\n}\n"
    )
    graph = forms.prepare(program(text).exports["f"])
    at = {"x": np.array([0.5]), "k": np.array([1.3]), "b": np.array([0.8])}
    _, *slopes = evaluate(graph, at, {}, {})
    for name, slope in zip(("k", "b"), slopes, strict=True):
        (up, *_), (down, *_) = (evaluate(graph, {**at, name: at[name] + d}, {}, {}) for d in (1e-5, -1e-5))
        np.testing.assert_allclose(slope, (up - down) / 2e-5, rtol=1e-6)


def test_a_bound_moves_the_times_of_a_power_below_one(program: Maker) -> None:
    """Of dx/ds = s by Euler's steps, x(b) is a sum of the times: its derivative is twice itself over b."""
    text = (
        "export f(b: []) -> ([], []) {\n  x = 0\n  integrate s in 0..b using euler(5, grid = power(0.5)) { dx/ds = s }\n"
        "  return (x, grad(x, b))\n}\n"
    )
    x, slope = ends(program, text, {"b": np.array([0.8, 2.0])})
    np.testing.assert_allclose(slope, 2 * x / np.array([0.8, 2.0]))


TRAINED = """
data x: [2], y: [2] from moons()
net f(x: [2]) -> [2] {{
  param U: [8, 2] ~ normal(0, 0.5)
  param V: [8, 2] ~ normal(0, 1)
  integrate s in 0..1 using {}(60, grid = {}{}) {{ dx/ds = U' @ tanh(V @ x + s) }}
  return x
}}
train(steps = 10, batch = 16) {{ minimize sum((f(x) - 1)^2) }}
"""


@pytest.mark.parametrize("grid", ["power(2)", "warp"])
def test_the_adjoint_equation_goes_back_along_the_grid(grid: str, program: Maker) -> None:
    plain, marked = (WARP + TRAINED.format("rk4", grid, option) for option in ("", ", adjoint = true"))
    loss, parameters = objective(program(plain), adjoint=False)
    wanted = torch.autograd.grad(loss, parameters)
    again, parameters = objective(program(marked), adjoint=True)
    for gradient, exact in zip(torch.autograd.grad(again, parameters), wanted, strict=True):
        assert (gradient - exact).norm() < 1e-4 * exact.norm()


@pytest.mark.parametrize("unroll", [False, True])
def test_numpy_torch_and_files_agree(unroll: bool, program: Maker, tmp_path: Path) -> None:
    text = WARP + (
        "export f(x: [2], steps: int = 6) -> [2] {\n"
        "  integrate s in 0..1 using ab3(steps, grid = power(3)) { dx/ds = cos(3 * s) - x }\n"
        "  integrate s in 1..0 using rk4(steps, grid = cosine) { dx/ds = sin(x) }\n"
        "  integrate s in 0..1 using milstein(steps, grid = warp) { dx = -x * ds + 0.3 * x * dW }\n"
        "  integrate s in 0..1 using sra1(grid = [0, 0.1, 1]) { dx = -x * ds + 0.3 * dW }\n  return x\n}\n"
    )
    spec = program(text)
    graph, x = forms.prepare(spec.exports["f"]), np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    (by_numpy,) = evaluate(graph, {"x": x}, {"seed": 7}, {})
    (by_torch,) = run(lower(graph, Weights({})), graph, {"x": x}, {"seed": 7})
    model = load(export(spec, "f", Trained({}), tmp_path, CompileOptions(unroll=unroll)).path, providers="cpu")
    np.testing.assert_allclose(by_torch, by_numpy, atol=1e-5)
    np.testing.assert_allclose(model(x=x, seed=7), by_numpy, atol=1e-5)


def test_a_plan_leaves_the_grid(program: Maker) -> None:
    """Another method and number of steps, as `mai tune` tries them, are those that the text would name."""
    text = "export f(x: [2], steps: int = 8) -> [2] {{\n  integrate s in 0..1 using {}(steps, grid = power(3)) {{ dx/ds = cos(3 * s) - x }}\n  return x\n}}\n"
    x = np.random.default_rng(0).standard_normal((4, 2))
    graph = forms.retimed(program(text.format("rk4")).exports["f"], Plan("heun", 5), Switches("steps"))
    (planned,) = evaluate(forms.prepare(graph), {"x": x}, {}, {})
    np.testing.assert_array_equal(planned, ends(program, text.format("heun"), {"x": x}, steps=5)[0])


# --------------------------------------------------------------------- refusals

REFUSED = {
    "rk4(4, grid = power(0))": "solver-option",
    "rk4(4, grid = power)": "missing-argument",
    "rk4(4, grid = cosine(3))": "too-many-arguments",
    "rk4(4, grid = 3)": "type-mismatch",
    "rk4(4, grid = [[0, 1], [0, 1]])": "type-mismatch",
    "rk4(4, grid = [0, 0.5, 1])": "solver-option",
    "rk4(grid = [0, 0.5, 2])": "solver-option",
    "rk4(grid = [0, 0.7, 0.3, 1])": "solver-option",
    "rk4(4, grid = turned)": "shape-mismatch",
    "rk4(4, grid = cosine, grid = cosine)": "duplicate-argument",
    "dopri5(grid = cosine)": "unknown-argument",
    "rk4(grid = cosine)": "missing-argument",
}


@pytest.mark.parametrize("method", REFUSED)
def test_what_is_no_grid_is_told(method: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(
        "layer turned(u: []) -> [2] { return [u, u] }\nexport f(x: []) -> [] {\n"
        f"  integrate s in 0..1 using {method} {{ dx/ds = -x }}\n  return x\n}}\n"
    )
    errors = [d for d in check(path).diagnostics if d.slug == REFUSED[method]]
    assert len(errors) == 1 and errors[0].span is not None
