"""Stochastic equations: Euler-Maruyama's moments in closed form, its weak order, draws that are the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import load

Maker = Callable[[str], Program]
# An Ornstein-Uhlenbeck process: dx = -x ds + dW / 2 from x = 2.
PROCESS = """
export end(steps: int = 8) -> [] {
  x = 2
  integrate s in 0..1 using euler_maruyama(steps) { dx = -x * ds + 0.5 * dW }
  return x
}
export path(x: [2], steps: int = 4) -> [steps + 1, 2] {
  integrate s in 0..1 using euler_maruyama(steps) { dx = -x * ds + 0.5 * dW } keep x as xs
  return xs
}
"""


def discrete_moments(steps: int) -> tuple[float, float]:
    """Mean and variance of Euler-Maruyama's own chain: x' = (1 - h) x + sqrt(h) z / 2."""
    h = 1 / steps
    return 2 * (1 - h) ** steps, 0.25 * h * sum((1 - h) ** (2 * k) for k in range(steps))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 4, 16])
def test_the_moments_are_those_of_the_chain(steps: int, program: Maker, tmp_path: Path) -> None:
    model = load(export(program(PROCESS), "end", Trained({}), tmp_path).path, providers="cpu")
    count = 200_000
    ends = model(batch=count, seed=3, steps=steps)
    mean, variance = discrete_moments(steps)
    assert abs(ends.mean() - mean) < 5 * np.sqrt(variance / count)
    assert abs(ends.var() - variance) < 5 * variance * np.sqrt(2 / count)


def test_the_chain_has_weak_order_one() -> None:
    """The moments above against those of the process, e^-1 2 and (1 - e^-2) / 8: both errors fall as the step does."""
    steps = [16, 32, 64]
    exact = 2 * np.exp(-1), (1 - np.exp(-2)) / 8
    for moment in (0, 1):
        errors = [abs(discrete_moments(n)[moment] - exact[moment]) for n in steps]
        assert abs(np.polyfit(np.log(steps), np.log(errors), 1)[0] + 1) < 0.1


def test_three_backends_draw_the_same(program: Maker, tmp_path: Path) -> None:
    spec = program(PROCESS)
    graph = forms.prepare(spec.exports["path"])
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    (by_numpy,) = evaluate(graph, {"x": x}, {"seed": 7}, {})
    (by_torch,) = run(lower(graph, Weights({})), graph, {"x": x}, {"seed": 7})
    model = load(export(spec, "path", Trained({}), tmp_path).path, providers="cpu")
    by_onnx = model(x=x, seed=7)
    np.testing.assert_allclose(by_torch, by_numpy, atol=1e-5)
    np.testing.assert_allclose(by_onnx, by_numpy, atol=1e-5)
    np.testing.assert_allclose(model(x=x[:3], seed=7), by_onnx[:3], atol=1e-6)
    noise = np.diff(by_numpy, axis=1) + 0.25 * by_numpy[:, :-1]
    assert len(np.unique(noise.round(9))) == noise.size, "every step and every example has noise of its own"


def test_backward_in_time_and_beside_a_derivative(program: Maker) -> None:
    """The noise of a step has the variance |ds| in both directions; what has no noise moves as Euler's method moves it."""
    text = (
        "export f(steps: int = 50) -> [2] {\n  x = 0\n  t = 0\n"
        "  integrate s in 1..0 using euler_maruyama(steps) {\n    dx = 0 * ds + dW\n    dt/ds = 2 * s\n  }\n"
        "  return [x, t]\n}\n"
    )
    graph = forms.prepare(program(text).exports["f"])
    (result,) = evaluate(graph, {}, {"batch": 4000, "seed": 1}, {})
    assert abs(result[:, 0].var() - 1) < 0.1
    np.testing.assert_allclose(result[:, 1], -2 * np.arange(1, 51).sum() / 50**2)


DRIFTS = {
    "a helper of its own name": "pull = -x * ds\n    dx = pull + 0 * dW",
    "a helper called drift": "drift = -x * ds\n    dx = drift + 0 * dW",
    "a helper called dt2": "dt2 = 2 * ds\n    dx = -0.5 * x * dt2 + 0 * dW",
    "a helper called delta, defined beside an elta": "elta = 3\n    delta = -x * ds\n    dx = delta + 0 * elta * dW",
}


@pytest.mark.parametrize("name", DRIFTS)
def test_an_increment_is_that_of_a_state(name: str, program: Maker) -> None:
    """A variable may be called as it likes: what moves has a value before the integral."""
    text = f"export g(x: [], steps: int = 100) -> [] {{\n  integrate s in 0..1 using euler_maruyama(steps) {{\n    {DRIFTS[name]}\n  }}\n  return x\n}}\n"
    graph = forms.prepare(program(text).exports["g"])
    (result,) = evaluate(graph, {"x": np.ones(1)}, {"seed": 0}, {})
    np.testing.assert_allclose(result, 0.99**100, rtol=1e-5)


def test_a_state_may_be_called_rift(program: Maker) -> None:
    text = (
        "export g(x: [], steps: int = 100) -> [] {\n  rift = x\n  integrate s in 0..1 using euler_maruyama(steps) {\n"
        "    drift = -rift * ds + 0 * dW\n  }\n  return rift\n}\n"
    )
    graph = forms.prepare(program(text).exports["g"])
    (result,) = evaluate(graph, {"x": np.ones(1)}, {"seed": 0}, {})
    np.testing.assert_allclose(result, 0.99**100, rtol=1e-5)


def test_noise_outside_of_an_increment_is_told(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(
        "export g(x: [], steps: int = 9) -> [] {\n  integrate s in 0..1 using euler_maruyama(steps) {\n"
        "    drift = -x * ds + dW\n    dx = drift + 0 * dW\n  }\n  return x\n}\n",
        encoding="utf-8",
    )
    (error,) = check(path).diagnostics
    assert error.slug == "unknown-name" and error.span is not None and error.span.text == "dW"
    assert error.help is not None and "increment" in error.help


@pytest.mark.parametrize(
    ("solver", "order", "drift"), [("euler_maruyama", 0.5, 0.3 - 0.7**2 / 2), ("stratonovich_heun", 1.0, 0.3)]
)
def test_the_strong_order_on_a_known_path(solver: str, order: float, drift: float, program: Maker) -> None:
    """dx = 0.3 x ds + 0.7 x dW is exp(drift s + 0.7 W) by Ito's and by Stratonovich's integral; W is that of the same draws."""
    block = "  integrate s in 0..1 using {}(steps) {{ dx = {} }}\n  return x\n}}\n"
    text = (
        "export f(x: [], steps: int = 4) -> [] {\n" + block.format(solver, "0.3 * x * ds + 0.7 * x * dW")
        + "export w(x: [], steps: int = 4) -> [] {\n" + block.format(solver, "0 * ds + dW")
    )  # fmt: skip
    spec = program(text)
    graphs = [forms.prepare(spec.exports[name]) for name in ("f", "w")]
    steps, errors = [16, 32, 64, 128], []
    for count in steps:
        settings = {"steps": count, "seed": 5}
        (x,), (w,) = (
            evaluate(g, {"x": np.full(4000, s)}, settings, {}) for g, s in zip(graphs, (1.0, 0.0), strict=True)
        )
        errors.append(np.abs(x - np.exp(drift + 0.7 * w)).mean())
    assert abs(-np.polyfit(np.log(steps), np.log(errors), 1)[0] - order) < 0.12


def test_heuns_increments_are_the_same_in_a_file(program: Maker, tmp_path: Path) -> None:
    text = PROCESS.replace("euler_maruyama", "stratonovich_heun").replace("0.5 * dW", "0.5 * sin(x + s) * dW")
    spec = program(text)
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    (by_numpy,) = evaluate(forms.prepare(spec.exports["path"]), {"x": x}, {"seed": 7}, {})
    model = load(export(spec, "path", Trained({}), tmp_path).path, providers="cpu")
    np.testing.assert_allclose(model(x=x, seed=7), by_numpy, atol=1e-5)
