"""`until condition as hit`: closed forms, either direction, bounds of each example's own, derivatives, what is refused."""

from __future__ import annotations

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
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
ADAPTIVE = [f"{name}(rtol = 1e-6, atol = 1e-8)" for name, s in SOLVERS.items() if s.adaptive]
FIXED = [f"{name}(4000)" for name, s in SOLVERS.items() if s.plannable and s.order < 3]
METHODS = [*ADAPTIVE, *FIXED, "rk4(40)", "ab3(400)"]
G = 9.81
BOUNCE = """
export bounce(height: [], speed: []) -> ([], [], []) {{
  h = height
  v = speed
  integrate t in 0..10 using {method} {{
    dh/dt = v
    dv/dt = -9.81
  }} until h < 0 as hit
  return (hit, v, h)
}}
"""
HEIGHT = np.array(
    [1.0, 5.0, 0.3, -1.0, 1000.0], np.float32
)  # The fourth begins at its end, the last never comes there.
SPEED = np.array([0.0, 3.0, -2.0, 1.0, 20.0], np.float32)


def landed() -> tuple[Array, Array, Array]:
    """When and how fast the balls are on the ground, and where they are."""
    height, speed = HEIGHT.astype(float), SPEED.astype(float)
    time = (speed + np.sqrt(np.maximum(speed**2 + 2 * G * height, 0))) / G
    time = np.where(height < 0, 0, np.minimum(time, 10))
    return time, speed - G * time, height + speed * time - G * time**2 / 2


@pytest.mark.parametrize("method", METHODS)
def test_a_ball_that_falls(method: str, program: Maker) -> None:
    graph = forms.prepare(program(BOUNCE.format(method=method)).exports["bounce"])
    arrays = {"height": HEIGHT.astype(float), "speed": SPEED.astype(float)}
    results = evaluate(graph, arrays, {}, {})[:3]
    rough = 3e-2 if "euler" in method else 1e-5
    for result, exact in zip(results, landed(), strict=True):
        np.testing.assert_allclose(result, exact, rtol=rough, atol=rough)


@pytest.mark.parametrize("method", ["tsit5(rtol = 1e-6, atol = 1e-8)", "rk4(40)"])
def test_a_file_and_torch_stop_where_each_example_does(method: str, program: Maker, tmp_path: Path) -> None:
    spec = program(BOUNCE.format(method=method))
    graph, arrays = forms.prepare(spec.exports["bounce"]), {"height": HEIGHT, "speed": SPEED}
    model = load(export(spec, "bounce", Trained({}), tmp_path).path, providers="cpu")
    together = model(**arrays)
    in_torch = run(lower(graph, Weights({})), graph, arrays, {})
    for result, other, exact in zip(together.values(), in_torch, landed(), strict=False):
        np.testing.assert_allclose(result, exact, rtol=3e-6, atol=3e-5)
        np.testing.assert_allclose(result, other, rtol=3e-6, atol=3e-5)
    for i in range(len(HEIGHT)):
        alone = model(height=HEIGHT[i : i + 1], speed=SPEED[i : i + 1])
        for name, value in alone.items():
            np.testing.assert_array_equal(value[0], together[name][i])


def test_an_unrolled_file_stops_too(program: Maker, tmp_path: Path) -> None:
    spec = program(BOUNCE.format(method="rk4(20)"))
    path = export(spec, "bounce", Trained({}), tmp_path, CompileOptions(unroll=True)).path
    np.testing.assert_allclose(load(path, providers="cpu")(height=HEIGHT, speed=SPEED)["hit"], landed()[0], atol=1e-4)


OWN = """
export f(x: [], a: [], b: [], level: []) -> ([], [], [6]) {{
  integrate t in a..b using {method} {{ dx/dt = x }} until x * s > level * s and t * s > -9 as hit keep x at [0, 0.2, 0.5, 1, 2, -1] as xs
  return (hit, x, xs)
}}
"""


@pytest.mark.parametrize("method", ["dopri5(rtol = 1e-6, atol = 1e-8)", "rk4(100)"])
@pytest.mark.parametrize("sign", [1, -1])
def test_bounds_of_their_own_and_states_at_times(method: str, sign: int, program: Maker) -> None:
    """x = exp(t - a) from a to b comes to a level at a + log(level); after it there is no state."""
    start, stop = np.array([0.0, 0.0, 0.5, 0.5, 0.0]), sign * np.array([2.0, 0.5, 3.0, sign * 0.5, 2.0])
    level = np.array([2.0, 3.0, 1.5, 2.0, 1.0 - sign * 0.5])
    level = level if sign > 0 else np.where(level == 1.5, 1.5, 1 / level)
    text = OWN.format(method=method).replace("* s", f"* {sign}")
    exact = start + np.log(level)
    outside = (exact - start) * sign > (stop - start) * sign
    exact = np.where(outside, stop, np.where((1 - level) * sign > 0, start, exact))
    graph = forms.prepare(program(text).exports["f"])
    arrays = {"x": np.ones(5), "a": start, "b": stop, "level": level}
    hit, x, xs = evaluate(graph, arrays, {}, {})[:3]
    np.testing.assert_allclose(hit, exact, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(x, np.exp(exact - start), rtol=3e-6)
    times = np.array([0, 0.2, 0.5, 1, 2, -1])
    on_the_way = ((times - start[:, None]) * sign >= 0) & ((exact[:, None] - times) * sign >= 0)
    expected = np.where(on_the_way, np.exp(times - start[:, None]), np.nan)
    np.testing.assert_allclose(xs, expected, rtol=3e-6)


def test_a_kept_path_stays_where_it_ended(program: Maker, tmp_path: Path) -> None:
    text = (
        "export f(w: []) -> ([], [9]) {\n  y = 1\n"
        "  integrate t in 0..2 using rk4(8) { dy/dt = -w * y } until y < 0.5 as hit keep y as ys\n  return (hit, ys)\n}\n"
    )
    w = np.array([1.0, 0.1, 2.0, -1.0], np.float32)
    results = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")(w=w)
    hit = np.where(w > 0.3, np.log(2) / np.where(w > 0.3, w, 1), 2)
    np.testing.assert_allclose(results["hit"], hit, rtol=2e-3)
    exact = np.exp(-w[:, None] * np.minimum(np.arange(9) / 4, hit[:, None]))
    np.testing.assert_allclose(results["ys"], exact, rtol=3e-3)


def test_the_first_of_several_ends_it(program: Maker) -> None:
    """A disc around the origin or a wall; a cloud whose points stop for themselves; a value of the body in the condition."""
    text = (
        "net go(x: [2], v: [2]) -> [3] {\n  integrate t in 0..50 using dopri5(rtol = 1e-6, atol = 1e-8) {\n"
        "    dx/dt = v\n    r = norm(x)\n  } until r < 1 or any(abs(x) > 3) as hit\n  return concat(x, [hit])\n}\n"
        "export f(X: [P, 2], v: [2]) -> [P, 3] { return go(X, v) }\n"
    )
    points = np.array([[[-2.5, 0.0], [-2.5, 2.0], [0.0, 0.5], [2.0, 0.6]]])
    (result,) = evaluate(forms.prepare(program(text).exports["f"]), {"X": points, "v": np.array([[1.0, 0.0]])}, {}, {})[
        :1
    ]
    exact = [[-1, 0, 1.5], [3, 2, 5.5], [0, 0.5, 0], [3, 0.6, 1]]
    np.testing.assert_allclose(result[0], exact, atol=1e-6)


def test_an_end_inside_of_a_long_step_is_seen(program: Maker) -> None:
    """A straight way, whose step is as long as it can be, is above the level for a tenth of it."""
    text = (
        "export f(x: []) -> [] {\n  integrate t in 0..1 using dopri5() { dx/dt = 4 - 8 * t } until x > 0.99 as hit\n"
        "  return hit\n}\n"
    )
    (hit,) = evaluate(forms.prepare(program(text).exports["f"]), {"x": np.zeros(1)}, {}, {})[:1]
    np.testing.assert_allclose(hit, 0.45, atol=1e-6)


@pytest.mark.parametrize("method", ["rk4(50)", "tsit5(rtol = 1e-7, atol = 1e-9)"])
def test_derivatives_of_the_time_and_of_what_is_there(method: str, program: Maker) -> None:
    """T = (v + r) / g with r^2 = v^2 + 2 g h: dT/dh = 1 / r, dT/dv = (1 + v / r) / g, d2T/dh2 = -g / r^3; the speed is -r."""
    text = (
        BOUNCE.format(method=method)
        .replace("([], [], [])", "([], [], [], [])")
        .replace(
            "return (hit, v, h)",
            "a = jvp(hit, height, 1)\n  return (a, jvp(hit, speed, 1), jvp(v, height, 1), jvp(a, height, 1))",
        )
    )
    height, speed = np.array([1.0, 5.0, 0.3]), np.array([0.0, 3.0, -2.0])
    r = np.sqrt(speed**2 + 2 * G * height)
    graph = forms.prepare(program(text).exports["bounce"])
    results = evaluate(graph, {"height": height, "speed": speed}, {}, {})[:4]
    for result, exact in zip(results, (1 / r, (1 + speed / r) / G, -G / r, -G / r**3), strict=True):
        np.testing.assert_allclose(result, exact, rtol=1e-5)


@pytest.mark.parametrize("method", ["rk4(50)", "dopri5(rtol = 1e-5, atol = 1e-7)"])
def test_training_goes_through_it(method: str, program: Maker) -> None:
    """x = exp(-w t) comes to c at T = -log(c) / w: dT/dw = -T / w, dT/dc = -1 / (c w); who never comes there has none."""
    text = (
        "net f(x: []) -> [] {\n  param w: [] = 0.7\n  param c: [] = 0.5\n"
        f"  integrate s in 0..2 using {method} {{ dx/ds = -w * x }} until x < c as hit\n  return hit\n}}\n"
        "export g(x: []) -> [] { return f(x) }\n"
    )
    spec = program(text)
    weights = Weights(spec.weights).initialise(0)
    lower(forms.prepare(spec.exports["g"]), weights).forward(torch.tensor([1.0, 9.0, 0.1]))[0].sum().backward()
    gradients = {name.rpartition(".")[2]: float(weight.grad) for name, weight in weights.named_parameters()}
    np.testing.assert_allclose(gradients["w"], -np.log(2) / 0.7**2, rtol=1e-3)
    np.testing.assert_allclose(gradients["c"], -1 / (0.5 * 0.7), rtol=1e-3)


def test_a_noisy_path_ends_on_the_line_between_two_steps(program: Maker, tmp_path: Path) -> None:
    text = (
        "export f(x: []) -> ([], []) {\n"
        "  integrate s in 0..1 using euler_maruyama(50) { dx = 0.5 * ds + 1 * dW } until x > 0.7 as hit\n"
        "  level = x\n  return (hit, level)\n}\n"
    )
    results = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")(x=np.zeros(40, np.float32))
    assert 5 < (results["hit"] < 1).sum() < 40
    np.testing.assert_allclose(results["level"][results["hit"] < 1], 0.7, atol=1e-5)


@pytest.mark.parametrize(
    ("ending", "slug"),
    [
        ("rk4(9) { dx/ds = x } until x", "dtype-mismatch"),
        ("rk4(9) { dx/ds = x } until x < 1", "repeat-until"),
        ("rk4(9) { dx/ds = x } until x[0] == 1", "no-event"),
        ("rk4(9) { dx/ds = x } until true", "no-event"),
        ("rk4(9, adjoint = true) { dx/ds = x } until x[0] < 1", "no-event"),
        ("dopri5(adjoint = true) { dx/ds = x } until x[0] < 1", "no-event"),
        ("rk4(9) until x[0] < 1 { dx/ds = x }", "misplaced-until"),
        ("rk4(9) { dx/ds = x } keep x as xs until x[0] < 1", "misplaced-until"),
    ],
)
def test_what_is_refused(ending: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f(x: [2]) -> [2] {{\n  integrate s in 0..1 using {ending}\n  return x\n}}\n")
    assert slug in [d.slug for d in check(path).diagnostics]
