"""`rodas5`: its order, what is stiff for other methods, states of any shape, derivatives, what is refused; beside scipy's Radau."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS, Rosenbrock
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
VAN_DER_POL = """
export f(x: [2], μ: [], end: []) -> [2] {
  integrate t in 0..end using rodas5(rtol = 1e-6, atol = 1e-8) { dx/dt = [x[1], μ * (1 - x[0]^2) * x[1] - x[0]] }
  return x
}
"""
ROBERTSON = """
export f(end: []) -> [3] {
  y = [1, 0, 0]
  integrate t in 0..end using rodas5(rtol = 1e-6, atol = 1e-10) {
    dy/dt = [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1]^2, 3e7 * y[1]^2]
  }
  return y
}
"""


def radau(velocity: Callable[[float, Array], list[float]], end: float, start: list[float]) -> tuple[Array, int]:
    """The solution to many digits, and how many steps Radau takes for six."""
    exact = solve_ivp(velocity, (0, end), start, "Radau", rtol=1e-9, atol=1e-12).y[:, -1]
    rough = solve_ivp(velocity, (0, end), start, "Radau", rtol=1e-6, atol=1e-8)
    return exact, rough.t.size


@pytest.mark.slow
def test_van_der_pol(program: Maker, tmp_path: Path) -> None:
    """Three examples, each as stiff as it is, in numpy, torch and the file; fewer steps than Radau's."""
    spec = program(VAN_DER_POL)
    graph = forms.prepare(spec.exports["f"])
    μ, end = np.array([1.0, 200.0, 1000.0], np.float32), np.array([20.0, 300.0, 2000.0], np.float32)
    arrays = {"x": np.array([[2.0, 0.0]] * 3, np.float32), "μ": μ, "end": end}
    in_numpy, counts = evaluate(graph, arrays, {}, {})
    in_torch, _ = run(lower(graph, Weights({})), graph, arrays, {})
    in_file = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")(**arrays)
    for i, m in enumerate(μ.tolist()):
        exact, steps = radau(lambda t, x, m=m: [x[1], m * (1 - x[0] ** 2) * x[1] - x[0]], float(end[i]), [2.0, 0.0])
        np.testing.assert_allclose(in_numpy[i], exact, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(in_torch[i], exact, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(in_file[i], exact, rtol=1e-4, atol=1e-4)
        assert (counts[i] - 2) / 8 < steps


def test_robertson(program: Maker, tmp_path: Path) -> None:
    """A reaction whose speeds are nine orders of magnitude apart."""

    def velocity(t: float, y: Array) -> list[float]:
        slow, fast, there = -0.04 * y[0] + 1e4 * y[1] * y[2], 3e7 * y[1] ** 2, 0.0
        return [slow, -slow - fast + there, fast]

    spec, end = program(ROBERTSON), np.array([40.0, 1e4], np.float32)
    (y, _) = evaluate(forms.prepare(spec.exports["f"]), {"end": end}, {}, {})
    in_file = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")(end=end)
    for i in range(2):
        exact, _ = radau(velocity, float(end[i]), [1.0, 0.0, 0.0])
        np.testing.assert_allclose(y[i], exact, rtol=5e-6)
        np.testing.assert_allclose(in_file[i], exact, rtol=2e-5)


def steps_of(rule: Rosenbrock, count: int, end: float = 1.0, part: float = 1.0) -> tuple[Array, Array, Array]:
    """Rodas in plain numpy, `count` steps of a problem of which all is known: states and errors, and a state inside the first step."""

    def f(t: float, y: Array) -> Array:
        return np.array([y[1] * np.cos(t), -y[0] * np.cos(t) + y[1] * y[0] * t])

    def jacobian(t: float, y: Array) -> Array:
        return np.array([[0, np.cos(t)], [-np.cos(t) + y[1] * t, y[0] * t]])

    def by_time(t: float, y: Array) -> Array:
        return np.array([-y[1] * np.sin(t), y[0] * np.sin(t) + y[1] * y[0]])

    h, y, inside = end / count, np.array([0.6, 0.4]), np.zeros(2)
    for n in range(count):
        t, ks = n * h, []
        matrix = np.eye(2) / float(rule.gamma) - h * jacobian(t, y)
        for a, e, c, d in zip(rule.a, rule.e, rule.c, rule.d, strict=True):
            at = y + sum((float(w) * k for w, k in zip(a, ks, strict=True)), np.zeros(2))
            right = h * f(t + float(c) * h, at) + float(d) * h * h * by_time(t, y)
            right = right + sum((float(w) * k for w, k in zip(e, ks, strict=True)), np.zeros(2))
            ks.append(np.linalg.solve(matrix, right))
        after = at + ks[-1]
        if n == 0:
            bend = sum(
                part**i * sum(float(w) * k for w, k in zip(row, ks, strict=True)) for i, row in enumerate(rule.dense)
            )
            inside = y + part * (after - y) + part * (1 - part) * bend
        y = after
    return y, ks[-1], inside


def slope(counts: list[int], errors: list[float]) -> float:
    return float(-np.polyfit(np.log(counts), np.log(errors), 1)[0])


def test_its_order_is_five_with_an_error_and_a_polynomial_of_order_four() -> None:
    rule = SOLVERS["rodas5"].rule
    assert isinstance(rule, Rosenbrock)
    counts = [8, 16, 32]
    exact, _, _ = steps_of(rule, 1000)
    errors = [float(np.abs(steps_of(rule, n)[0] - exact).max()) for n in counts]
    assert abs(slope(counts, errors) - 5) < 0.4
    assert (
        abs(slope(counts, [float(np.abs(steps_of(rule, n)[1]).max()) for n in counts]) - 5) < 0.4
    )  # Of one step: h^5.
    inside = [np.abs(steps_of(rule, n, 1.0, 0.4)[2] - steps_of(rule, 50, 0.4 / n)[0]).max() for n in counts]
    assert abs(slope(counts, [float(error) for error in inside]) - 5) < 0.4


def test_at_infinity_it_forgets_where_it_was() -> None:
    """R(z) of y' = z y tends to 0 as z goes to minus infinity, and is at most 1 everywhere on the left: L-stability."""
    rule = SOLVERS["rodas5"].rule
    assert isinstance(rule, Rosenbrock)

    def growth(z: complex) -> complex:
        ks: list[complex] = []
        for a, e in zip(rule.a, rule.e, strict=True):
            at = 1 + sum(float(w) * k for w, k in zip(a, ks, strict=True))
            right = z * at + sum(float(w) * k for w, k in zip(e, ks, strict=True))
            ks.append(right / (1 / float(rule.gamma) - z))
        return at + ks[-1]

    assert abs(growth(-0.1) - np.exp(-0.1)) < 1e-8
    assert abs(growth(-1e8)) < 1e-3
    assert max(abs(growth(complex(0, y))) for y in np.logspace(-2, 4, 200)) < 1 + 1e-6


def test_states_of_any_shape_and_several_of_them(program: Maker, tmp_path: Path) -> None:
    """A matrix and a number that move together, without and with a plain method; times and parameters of each example."""
    text = (
        "export f(A: [2, 3], w: []) -> ([2, 3], [], [4, 2, 3]) {{\n  b = w\n"
        "  integrate s in 1..0 using {}(rtol = 1e-5, atol = 1e-7) {{\n"
        "    dA/ds = b * sin(A) + s * concat(A[1:], A[:1], axis = 0)\n    db/ds = mean(A * cos(A)) + b^3\n"
        "  }} keep A at [0.9, 0.1, 0, 1] as As\n  return (A, b, As)\n}}\n"
    )
    drawn = np.random.default_rng(0)
    arrays = {"A": drawn.standard_normal((2, 2, 3)).astype(np.float32), "w": np.array([0.3, -1.0], np.float32)}
    spec = program(text.format("rodas5"))
    exact = evaluate(forms.prepare(program(text.format("dopri5")).exports["f"]), arrays, {}, {})[:3]
    results = evaluate(forms.prepare(spec.exports["f"]), arrays, {}, {})[:3]
    in_file = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")(**arrays)
    for a, b, c in zip(exact, results, in_file.values(), strict=False):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(c, b, rtol=1e-3, atol=1e-3)


def test_derivatives(program: Maker) -> None:
    """Of x exp(-w) for a stiff equation: by x forward, in the graph; by w backward, in training."""
    text = (
        "net f(x: []) -> [] {\n  param w: [] = 40\n  y = x\n"
        "  integrate s in 0..1 using rodas5(rtol = 1e-6, atol = 1e-9) { dy/ds = -w * (y - cos(s)) }\n  return y\n}\n"
        "export g(x: []) -> [] { return f(x) }\n"
        "export slope(x: []) -> [] { return jvp(f(x), x, 1) }\n"
    )
    spec, x = program(text), np.array([0.5, 3.0], np.float32)
    weights = Weights(spec.weights).initialise(0)
    parameters = {"f.w": np.array(40.0, np.float32)}
    (forward, _) = evaluate(forms.prepare(spec.exports["slope"]), {"x": x.astype(float)}, {}, parameters)
    np.testing.assert_allclose(forward, np.exp(-40), rtol=1e-2, atol=1e-9)
    lower(forms.prepare(spec.exports["g"]), weights).forward(torch.from_numpy(x))[0].sum().backward()
    (gradient,) = (float(p.grad) for p in weights.parameters())

    def ended(w: float) -> float:
        return float(
            solve_ivp(lambda s, y: -w * (y - np.cos(s)), (0, 1), x, "Radau", rtol=1e-10, atol=1e-12).y[:, -1].sum()
        )

    np.testing.assert_allclose(gradient, (ended(40.1) - ended(39.9)) / 0.2, rtol=1e-3)


def test_an_event_of_a_stiff_equation(program: Maker) -> None:
    """y follows cos(s) closely, y = cos(s) + sin(s) / 1e5: it comes below 1/2 a hundred thousandth after pi / 3."""
    text = (
        "export f(y: []) -> [] {\n"
        "  integrate s in 0..3 using rodas5(rtol = 1e-7, atol = 1e-9) { dy/ds = -1e5 * (y - cos(s)) } until y < 0.5 as hit\n"
        "  return hit\n}\n"
    )
    (hit, counts) = evaluate(forms.prepare(program(text).exports["f"]), {"y": np.array([1.0, 2.0])}, {}, {})
    np.testing.assert_allclose(hit, np.pi / 3 + 1e-5, atol=1e-6)
    assert (counts < 500).all()


@pytest.mark.slow
def test_one_stiff_equation_in_another(program: Maker) -> None:
    """dx/ds = -w g, where g comes to x by an equation of its own: x = exp(-w s); the inner one may end before."""
    text = (
        "net g(x: []) -> [] {{\n  y = 0\n"
        "  integrate t in 0..1 using rodas5(rtol = 1e-5, atol = 1e-8) {{ dy/dt = -1e4 * (y - x) }}{}\n  return y\n}}\n"
        "export f(x: [], w: []) -> [] {{\n"
        "  integrate s in 0..1 using rodas5(rtol = 1e-5, atol = 1e-8) {{ dx/ds = -w * g(x) }}\n  return x\n}}\n"
    )
    w = np.array([0.5, 2.0])
    for ending, share in (("", 1.0), (" until y > 0.99 * x", 0.99)):
        (x, _) = evaluate(forms.prepare(program(text.format(ending)).exports["f"]), {"x": np.ones(2), "w": w}, {}, {})
        np.testing.assert_allclose(x, np.exp(-share * w), rtol=1e-4)


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ("x: [N]) -> [N] {\n  integrate s in 0..1 using rodas5() { dx/ds = -x }", "dimension-unknown"),
        ("x: [80, 80]) -> [80, 80] {\n  integrate s in 0..1 using rodas5() { dx/ds = -x }", "dimension-too-large"),
        ("x: [2]) -> [2] {\n  integrate s in 0..1 using rodas5(adjoint = true) { dx/ds = -x }", "unknown-argument"),
        ("x: [2]) -> [2] {\n  integrate s in 0..1 using rodas5(20) { dx/ds = -x }", "solver-option"),
    ],
)
def test_what_is_refused(body: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f({body}\n  return x\n}}\n")
    assert slug in [d.slug for d in check(path).diagnostics]
