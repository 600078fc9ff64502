"""Solvers that choose their steps: tolerances, evaluations, examples that do not see each other, ways that do not arrive."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchdiffeq
from scipy.integrate import RK23, RK45, solve_ivp

from mai.compiler.compile_options import DEFAULTS, CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS, Tableau
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import ModelError, load
from mai.runtime.arrays import Array
from mai.runtime.model.model import Model

Maker = Callable[[str], Program]
FAR = {"bosh3": 3e-4}  # What the errors of its many steps add up to, where it is more than 1e-4.
ADAPTIVE = [name for name, solver in SOLVERS.items() if solver.adaptive]
SPEC = """
export f(x: [2]) -> [2] {{
  integrate s in {way} using {solver}(rtol = {tolerance}, atol = {tolerance}{more}) {{ dx/ds = {field} }}
  return x
}}
"""
# A system by its velocity as the language and as numpy say it, and how long it runs.
SYSTEMS: dict[str, tuple[str, Callable[[float, Array], Array], float]] = {
    "linear": (
        "concat([-x[0] + 2 * x[1]], [-2 * x[0] - x[1]])", lambda t, x: np.array([-x[0] + 2 * x[1], -2 * x[0] - x[1]]), 3
    ),
    "oscillator": ("concat([x[1]], [-x[0]])", lambda t, x: np.array([x[1], -x[0]]), 6),
    "van der Pol": (
        "concat([x[1]], [5 * (1 - x[0]^2) * x[1] - x[0]])",
        lambda t, x: np.array([x[1], 5 * (1 - x[0] ** 2) * x[1] - x[0]]), 10,
    ),
    "forced": ("cos(3 * s) - x", lambda t, x: np.cos(3 * t) - x, 2),
}  # fmt: skip
STARTS = np.array([[1.0, 0.5], [2.0, 0.0], [0.3, -1.0]], np.float32)


def spec(system: str, solver: str = "dopri5", tolerance: float = 1e-5, way: str = "", more: str = "") -> str:
    field, _, length = SYSTEMS[system]
    return SPEC.format(field=field, solver=solver, tolerance=tolerance, way=way or f"0..{length}", more=more)


def model(program: Program, tmp_path: Path, name: str = "f", options: CompileOptions = DEFAULTS) -> Model:
    return load(export(program, name, Trained({}), tmp_path, options).path, providers="cpu", threads=1)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("solver", ADAPTIVE)
def test_the_error_is_within_the_tolerance(solver: str, system: str, program: Maker, tmp_path: Path) -> None:
    _, field, length = SYSTEMS[system]
    checked = program(spec(system, solver))
    exact = np.stack([solve_ivp(field, (0, length), x, "DOP853", rtol=1e-12, atol=1e-12).y[:, -1] for x in STARTS])
    graph = forms.prepare(checked.exports["f"])
    y, counts = evaluate(graph, {"x": STARTS}, {}, {})
    in_torch, torch_counts = run(lower(graph, Weights({})), graph, {"x": STARTS}, {})
    in_onnx, onnx_counts = model(checked, tmp_path).counted(x=STARTS)
    for result in (y, in_torch, in_onnx):
        np.testing.assert_allclose(result, exact, atol=FAR.get(solver, 1e-4))
    for result in (torch_counts, onnx_counts):
        np.testing.assert_allclose(result, counts, atol=24, rtol=0.1 if SOLVERS[solver].implicit else 0)
    rule = SOLVERS[solver].rule
    stages = len(rule.c) - 1 if isinstance(rule, Tableau) else 8
    assert (counts % stages == 2 % stages).all()


def calls_of_torchdiffeq(field: Callable[[float, Array], Array], start: Array, length: float) -> int:
    """How often its dopri5 evaluates a velocity from one start."""
    calls = []

    def velocity(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return torch.from_numpy(field(float(t), x.numpy()))

    span = torch.tensor([0.0, length], dtype=torch.float64)
    start = start.astype(np.float64)
    torchdiffeq.odeint(velocity, torch.from_numpy(start), span, rtol=1e-5, atol=1e-5, method="dopri5")
    return len(calls)


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_no_more_evaluations_than_torchdiffeq(system: str, program: Maker) -> None:
    _, field, length = SYSTEMS[system]
    graph = forms.prepare(program(spec(system)).exports["f"])
    _, counts = evaluate(graph, {"x": STARTS}, {}, {})
    for start, count in zip(STARTS, counts, strict=True):
        assert count <= 1.1 * calls_of_torchdiffeq(field, start, length)


@pytest.mark.slow
def test_fewer_evaluations_than_torchdiffeq_on_a_rough_velocity(program: Maker) -> None:
    """Its next step is never shorter than one that it kept, so that more of its steps are in vain."""
    shakes = "4 * sin(9 * concat([x[1]], [-x[0]])) + 2 * cos(17 * s)"
    graph = forms.prepare(
        program(SPEC.format(way="0..2", solver="dopri5", tolerance=1e-5, more="", field=shakes)).exports["f"]
    )
    _, counts = evaluate(graph, {"x": STARTS}, {}, {})
    theirs = sum(
        calls_of_torchdiffeq(lambda t, x: 4 * np.sin(9 * np.array([x[1], -x[0]])) + 2 * np.cos(17 * t), start, 2)
        for start in STARTS
    )
    assert counts.sum() < 0.95 * theirs


@pytest.mark.parametrize(("name", "reference"), [("bosh3", RK23), ("dopri5", RK45)])
def test_coefficients_are_scipys(name: str, reference: type[RK23 | RK45]) -> None:
    """scipy prints the error's weights with the other sign, and Dormand's and Prince's own for dopri5."""
    rule = SOLVERS[name].rule
    assert isinstance(rule, Tableau)
    stages = reference.n_stages
    for row, expected in zip(rule.a, reference.A, strict=False):
        np.testing.assert_allclose([float(c) for c in row], expected[: len(row)], rtol=1e-15)
    np.testing.assert_allclose([float(c) for c in rule.b[:stages]], reference.B, rtol=1e-15)
    np.testing.assert_allclose([float(c) for c in rule.c[:stages]], reference.C, rtol=1e-15)
    if name == "bosh3":
        np.testing.assert_allclose([-float(c) for c in rule.error], reference.E, rtol=1e-12)


def test_no_example_sees_its_neighbours(program: Maker, tmp_path: Path) -> None:
    loaded = model(program(spec("van der Pol", tolerance=1e-4)), tmp_path)
    together, counts = loaded.counted(x=STARTS)
    assert counts is not None and len(set(counts.tolist())) > 1
    for i, start in enumerate(STARTS):
        alone, count = loaded.counted(x=start[None])
        assert count is not None and count[0] == counts[i]
        np.testing.assert_array_equal(alone[0], together[i])


def test_there_and_back_again(program: Maker) -> None:
    text = (
        "export f(x: [2]) -> [2] {\n  l = 0\n"
        "  integrate s in 0..2 using dopri5(rtol = 1e-8, atol = 1e-8) {\n    dx/ds = sin(x) + s\n    dl/ds = 1 }\n"
        "  integrate s in 2..0 using tsit5(rtol = 1e-8, atol = 1e-8) {\n    dx/ds = sin(x) + s\n    dl/ds = 1 }\n"
        "  return x + l\n}\n"
    )
    graph = forms.prepare(program(text).exports["f"])
    back, counts = evaluate(graph, {"x": STARTS}, {}, {})
    np.testing.assert_allclose(back, STARTS, atol=1e-6)
    assert (counts > 30).all()


def test_a_net_on_one_point_solves_a_cloud(program: Maker, tmp_path: Path) -> None:
    """Every point of a cloud has steps of its own; the count is that of the one with the most."""
    inner = SYSTEMS["van der Pol"][0]
    text = (
        f"net flow(x: [2]) -> [2] {{\n  integrate s in 0..5 using dopri5() {{ dx/ds = {inner} }}\n  return x\n}}\n"
        "export f(X: [P, 2]) -> [P, 2] { return flow(X) }\nexport one(x: [2]) -> [2] { return flow(x) }\n"
    )
    spec = program(text)
    cloud, one = model(spec, tmp_path), model(spec, tmp_path, "one")
    ends = cloud(X=STARTS[None])
    np.testing.assert_allclose(ends[0], one(x=STARTS), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("optimise", [True, False])
def test_what_the_velocity_reads_stays_with_its_example(optimise: bool, program: Maker, tmp_path: Path) -> None:
    """Examples arrive one after the other: those left have their own stiffness still, and their own time."""
    text = (
        "net v(x: [2], mu: [], s: []) -> [2] {\n  beat = mean(sin(2 * s * concat([1.0], [2.0])))\n"
        "  return concat([x[1]], [mu * (1 - x[0]^2) * x[1] - x[0] + beat])\n}\n"
        "net flow(x: [2], mu: []) -> [2] {\n"
        "  integrate s in 0..2 using dopri5(rtol = 1e-4, atol = 1e-4) { dx/ds = v(x, mu, s) }\n  return x\n}\n"
        "export f(x: [2], mu: []) -> [2] { return flow(x, mu) }\n"
        "export cloud(X: [P, 2], mu: []) -> [P, 2] { return flow(X, mu) }\n"
    )
    spec, mu = program(text), np.array([0.0, 9.0, 3.0], np.float32)
    one, cloud = (model(spec, tmp_path, name, CompileOptions(optimise=optimise)) for name in ("f", "cloud"))
    together, counts = one.counted(x=STARTS, mu=mu)
    assert counts is not None and len(set(counts.tolist())) == len(mu)
    for i in range(len(mu)):
        np.testing.assert_allclose(one(x=STARTS[i : i + 1], mu=mu[i : i + 1])[0], together[i], rtol=1e-5)
    clouds = cloud(X=np.stack([STARTS, STARTS[::-1], STARTS]), mu=mu)
    np.testing.assert_allclose([clouds[0, 0], clouds[1, 1], clouds[2, 2]], together, atol=2e-3)
    wanted, evaluated = evaluate(forms.prepare(spec.exports["f"]), {"x": STARTS, "mu": mu}, {}, {})
    np.testing.assert_allclose(together, wanted, atol=1e-3)
    np.testing.assert_allclose(counts, evaluated, atol=12)


def test_branches_of_a_guided_net_stay_with_their_example(program: Maker, tmp_path: Path) -> None:
    """Both branches are one batch, and what they read of the label stands before the loop, branch after branch."""
    text = (
        "net v(x: [2], s: [], y: [3]) -> [2] {\n  h = tanh(linear(x, 16) + linear(tanh(linear(y, 16)), 16) + s)\n"
        "  return 4 * linear(h, 2)\n}\n"
        "export f(x: [2], y: [3]) -> [2] {\n"
        "  integrate s in 0..3 using dopri5(rtol = 1e-5, atol = 1e-5) {\n"
        "    dx/ds = v(x, s, 0 * y) + 2 * (v(x, s, y) - v(x, s, 0 * y)) }\n  return x\n}\n"
    )
    spec = program(text)
    drawn = np.random.default_rng(0)
    weights = {n: drawn.standard_normal(w.shape).astype(np.float32) for n, w in spec.weights.items()}
    inputs = {"x": np.repeat(STARTS, 2, 0), "y": drawn.standard_normal((6, 3)).astype(np.float32)}
    loaded = load(export(spec, "f", Trained(weights), tmp_path).path, providers="cpu", threads=1)
    together, counts = loaded.counted(**inputs)
    assert counts is not None and len(set(counts.tolist())) > 2
    wanted, _ = evaluate(forms.prepare(spec.exports["f"]), inputs, {}, weights)
    np.testing.assert_allclose(together, wanted, rtol=1e-3)  # A step that float32 keeps may be one that double repeats.


@pytest.mark.parametrize("opset", [21, 23])
def test_a_way_that_does_not_arrive_is_told(opset: int, program: Maker, tmp_path: Path) -> None:
    checked = program(spec("van der Pol", tolerance=1e-4, more=", max_steps = 50"))
    loaded = model(checked, tmp_path, options=CompileOptions(opset=opset))
    rest = np.zeros((2, 2), np.float32)
    np.testing.assert_allclose(loaded(x=rest), rest)
    with pytest.raises(ModelError, match=r"did not arrive for 2 of 3 examples: 0, 2") as error:
        loaded(x=np.stack([STARTS[1], rest[0], STARTS[0]]))
    assert error.value.slug == "not-arrived"


@pytest.mark.slow
def test_a_velocity_that_is_no_number_ends_soon(program: Maker) -> None:
    graph = forms.prepare(program(spec("oscillator").replace("concat", "log(-abs(x)) + concat")).exports["f"])
    with np.errstate(all="ignore"):
        y, counts = evaluate(graph, {"x": STARTS}, {}, {})
    assert np.isnan(y).all() and (counts < 0).all()


def test_no_way_at_all(program: Maker) -> None:
    graph = forms.prepare(program(spec("oscillator", way="1..1")).exports["f"])
    with np.errstate(divide="ignore"):
        y, _ = evaluate(graph, {"x": STARTS}, {}, {})
    np.testing.assert_array_equal(y, STARTS)
