"""Plans: an integral by another method, on another grid, with less computed, is what one would write by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Region
from mai.compiler.ir.structure import Loop
from mai.compiler.onnx.export import export
from mai.compiler.ops import elementwise as el
from mai.compiler.passes import forms
from mai.compiler.passes.loops.discretise import discretise
from mai.compiler.passes.loops.retime import Switches
from mai.compiler.passes.loops.spared import spared_by
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.grid import Grid, Interval, Plan, Spared
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.tuning.sampling import replace_plan
from mai.compiler.tuning.subject import METHODS, Subject
from mai.runtime import load

Maker = Callable[[str], Program]
BENT = Grid((-0.4, 0.3, 0.5))
FIELD = "dx/d{t} = {rate}(concat([x[1]], [-sin(x[0])]) + cos(3 * {s}))"
SPEC = """
export f(x: [2], steps: int = 8) -> [2] {{
  integrate {t} in {bounds} using {method}(steps) {{ {body} }}
  return x
}}
"""
SPOKEN = SPEC.format(
    t="s", bounds="2..-1", method="rk4", body=FIELD.format(t="s", s="s", rate="")
)  # fmt: skip
STEPS = Switches("steps")
X = np.random.default_rng(0).standard_normal((4, 2))


def subject(program: Program) -> Subject:
    graph = program.exports["f"]
    return Subject(graph, Plan("rk4", 8), STEPS, False)


def result(graph: Graph, x: np.ndarray = X, **settings: int) -> np.ndarray:
    return evaluate(forms.prepare(graph), {"x": x}, settings, {})[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_grid_is_a_list_of_times(method: str, program: Maker) -> None:
    """Beside the times that the text lists, in either number of steps; the setting goes over to steps of one length."""
    spoken = program(SPOKEN).exports["f"]
    graph = forms.retimed(spoken, Plan(method, 7, BENT), Switches("steps", uneven="uneven"))
    bends = dict(zip("abc", BENT.bends, strict=True))
    tried = forms.retimed(spoken, Plan(method, 5, Grid((1, 1, 1))), Switches("steps", bends=("a", "b", "c")))
    for steps in (7, 4):
        times = ", ".join(f"{2 - 3 * share:.17g}" for share in BENT.shares(steps))
        body = FIELD.format(t="s", s="s", rate="")
        text = SPEC.format(t="s", bounds="2..-1", method=method, body=body).replace("(steps)", f"(grid = [{times}])")
        hand = result(program(text).exports["f"])
        np.testing.assert_allclose(result(graph, steps=steps), hand, rtol=1e-12)
        np.testing.assert_allclose(result(tried, steps=steps, **bends), hand, rtol=1e-12)
        even = forms.retimed(spoken, Plan(method, steps), STEPS)
        np.testing.assert_allclose(result(graph, steps=steps, uneven=0), result(even), rtol=1e-12)
    assert graph.settings["steps"].default == 7 and graph.settings["uneven"].default == 1


GUIDED = """
net v(x: [3], s: []) -> [3] {{ return x + linear(reusable(linear(x, 8)), 3) * cos(s) }}
net free(x: [3], s: []) -> [3] {{ return x - linear(reusable(linear(x, 8)), 3) * s }}
export f(x: [3], w: real = 2.0, steps: int = 6) -> [3] {{
  integrate s in 1..0 using rk4(steps) {{
    own = v(x, s)
    none = free(x, s)
    dx/ds = {guided}
  }}
  return x
}}
"""
FORMS = {
    "none + w * (own - none)": 1, "own + w * (own - none)": 0, "(1 + w) * own - w * none": 0, "(own - none) * w + none": 1,
    "w * own + (1 - w) * none": 1,
}  # fmt: skip


def weights_of(spec: Program) -> dict[str, np.ndarray]:
    return {n: a.astype(np.float64) for n, a in load_weights(spec, None)[0].items()}


@pytest.mark.parametrize("method", ["rk4", "ab2"])
@pytest.mark.parametrize("written", FORMS)
def test_guidance_in_an_interval_is_a_choice_by_hand(written: str, method: str, program: Maker) -> None:
    """At its settings' ends, and with a weight that does not amplify, it is computed everywhere."""
    spec, x, off = (
        program(GUIDED.format(guided=written)),
        np.random.default_rng(0).standard_normal((4, 3)),
        FORMS[written],
    )
    weights, hand = (
        weights_of(spec),
        f"where(0.3 < s and s < 0.65, {written}, own)",
    )  # From 1 to 0, so 0.35 to 0.7 of the way.
    plan = Plan(method, 6, guided=Interval(0.35, 0.7))
    graph = forms.retimed(spec.exports["f"], plan, Switches("steps", guided=("low", "high")))
    assert (graph.settings["low"].default, graph.settings["high"].default) == (0.35, 0.7)

    def values(graph: Graph, **settings: float) -> np.ndarray:
        return evaluate(forms.prepare(graph), {"x": x}, settings, weights)[0]

    other = program(GUIDED.format(guided=hand)).exports["f"]
    np.testing.assert_allclose(values(graph), values(forms.retimed(other, Plan(method, 6), STEPS)), rtol=1e-12)
    whole = forms.retimed(spec.exports["f"], Plan(method, 6), STEPS)
    np.testing.assert_allclose(values(graph, low=0, high=1), values(whole), rtol=1e-12)
    np.testing.assert_allclose(values(graph, w=off), values(whole, w=off), rtol=1e-12)
    assert np.abs(values(graph) - values(whole)).max() > 1e-3


@pytest.mark.parametrize(
    "written", ["own * w + none", "own + none", "none + w * own", "x + w * (cos(s) - x)", "w * (own - none)"]
)
def test_what_is_no_guidance_stays(written: str, program: Maker) -> None:
    graph = program(GUIDED.format(guided=written)).exports["f"]
    assert spared_by(graph).guidance == 0


@pytest.mark.parametrize(("method", "first_evaluations", "stages"), [("ab2", 2, 1), ("rk4", 0, 4), ("euler", 0, 1)])
def test_a_plan_costs_what_its_steps_do(method: str, first_evaluations: int, stages: int) -> None:
    for steps, every in itertools.product((1, 5, 9), (1, 2, 3, 20)):
        wanted = first_evaluations + stages * sum(1 if n % every == 0 else 1 - 0.25 for n in range(steps))
        assert Plan(method, steps, Grid(), every, spared=Spared(0.25)).cost == pytest.approx(wanted)


def test_what_is_reusable_is_reused_by_a_setting(program: Maker) -> None:
    """The file gets a setting, which switches it off; a setting of the spec stays what it is."""
    text = SPEC.format(t="s", bounds="0..1", method="{}", body="dx/ds = s - reusable(sin(3 * x))")
    spoken = program(text.replace("{}(steps)", "rk4(steps)")).exports["f"]
    own = program(text.replace("{}(steps)", "rk4(steps, reuse = k)").replace("8)", "8, k: int = 1)")).exports["f"]
    hand = program(text.replace("{}(steps)", "ab2(steps, reuse = 3)")).exports["f"]
    for graph, name in ((spoken, "reuse"), (own, "k")):
        rewritten = forms.retimed(graph, Plan("ab2", 7, reuse=3), Switches("steps", name))
        assert rewritten.settings[name].default == 3 and "reuse" not in graph.settings
        np.testing.assert_array_equal(result(rewritten), result(hand, steps=7))
        whole = forms.retimed(graph, Plan("ab2", 7), Switches("steps", name))
        np.testing.assert_array_equal(result(rewritten, **{name: 1}), result(whole))
    assert "reuse" not in forms.retimed(spoken, Plan("ab2", 7), Switches("steps", "reuse")).settings
    fixed = forms.retimed(spoken, Plan("ab2", 7, reuse=3), Switches("steps"))
    assert "reuse" not in fixed.settings
    np.testing.assert_array_equal(result(fixed), result(hand, steps=7))


def test_the_share_that_is_spared(program: Maker) -> None:
    text = """
    net v(x: [4]) -> [4] {
      h = linear(x, 8)
      repeat 3 { h += reusable(linear(silu(linear(h, 16)), 8)) }
      return linear(h, 4)
    }
    export f(x: [4]) -> [4] {
      integrate s in 0..1 using rk4(4) { dx/ds = v(x) }
      return x
    }
    """
    deep = 3 * 2 * 8 * 16
    assert spared_by(program(text).exports["f"]).reuse == pytest.approx(deep / (deep + 2 * 4 * 8))
    assert spared_by(program(text.replace("reusable", "")).exports["f"]) == Spared()
    downhill = text.replace("dx/ds = v(x)", "dx/ds = grad(sum(v(x)^2), x)")  # What is kept has no derivative.
    assert spared_by(program(downhill).exports["f"]).reuse == 0
    guided = GUIDED.format(guided="none + w * (own - none)")
    assert spared_by(program(guided).exports["f"]) == Spared(0.5, 0.5, 0.75)


def test_where_a_plan_spares_guidance() -> None:
    """By evaluation: at the shares 0, 1/4, 1/2, 3/4 of the way and their steps' ends; a step that others reuse computes all."""
    spared = Spared(0.4, 0.5, 0.8)
    inner = Interval(0.2, 0.6)
    assert Plan("euler", 4, guided=inner, spared=spared).cost == pytest.approx(2 + 2 * 0.5)
    assert Plan("heun", 4, guided=inner, spared=spared).cost == pytest.approx(4 + 4 * 0.5)
    assert Plan("ab2", 4, guided=inner, spared=spared).cost == pytest.approx(0.5 + 1 + 2 + 2 * 0.5)
    assert Plan("euler", 4, reuse=2, guided=inner, spared=spared).cost == pytest.approx(1 + 0.6 + 1 + 0.2)
    late = Grid((2.0, 0, 0))  # Short steps first: all begin in the first third.
    assert Plan("euler", 3, late, guided=Interval(0.5, 1), spared=spared).cost == pytest.approx(3 * 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_even_steps_are_the_spec_with_another_solver(method: str, program: Maker) -> None:
    graph = forms.retimed(program(SPOKEN).exports["f"], Plan(method, 5), STEPS)
    body = FIELD.format(t="s", s="s", rate="")
    hand = program(SPEC.format(t="s", bounds="2..-1", method=method, body=body)).exports["f"]
    np.testing.assert_array_equal(result(graph), result(hand, steps=5))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_grid_keeps_the_order(method: str, program: Maker) -> None:
    graph = program(SPOKEN.replace("2..-1", "0..1")).exports["f"]
    exact = result(forms.retimed(graph, Plan("rk4", 2000), STEPS))
    steps = np.array([32, 64, 128])
    bent = forms.retimed(graph, Plan(method, 8, BENT), STEPS)
    errors = [np.abs(result(bent, steps=n) - exact).max() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(slope - SOLVERS[method].order) < 0.25


@pytest.mark.parametrize("method", METHODS)
def test_a_straight_flow_stays_straight(method: str, program: Maker) -> None:
    text = SPEC.format(t="s", bounds="0..1", method="rk4", body="dx/ds = concat([3], [-1])")
    graph = forms.retimed(program(text).exports["f"], Plan(method, 3, BENT), STEPS)
    np.testing.assert_allclose(result(graph), X + np.array([3, -1]), atol=1e-12)


def calls(region: Region, op: type, turns: int) -> int:
    """How often an operation is computed, those of loops of `turns` turns once a turn."""
    count = 0
    for node in region.nodes:
        times = turns if node.op is Loop else 1
        count += (node.op is op) + times * sum(calls(r, op, turns) for r in node.regions)
    return count


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_evaluations_is_counted(method: str, program: Maker) -> None:
    graph = program(SPOKEN.replace("sin(", "tanh(")).exports["f"]
    plan = Plan(method, 9)
    assert calls(discretise(forms.retimed(graph, plan, STEPS)), el.Tanh, 9) == plan.evaluations


@pytest.mark.parametrize("method", METHODS)
def test_the_file_computes_what_numpy_does(method: str, program: Maker, tmp_path: Path) -> None:
    spec = program(SPOKEN)
    changed = replace_plan(spec, "f", subject(spec), Plan(method, 6, BENT))
    exported = export(changed, "f", Trained({}), tmp_path)
    assert exported.error is not None and exported.error < 1e-4
    model = load(exported.path, providers="cpu")
    assert model.settings["steps"].default == 6
    x = X.astype(np.float32)
    np.testing.assert_allclose(model(x=x), result(changed.exports["f"], x), rtol=1e-4, atol=1e-5)


def test_a_number_in_the_spec_is_changed_too(program: Maker) -> None:
    graph = program(SPOKEN.replace("(steps)", "(8)").replace(", steps: int = 8", "")).exports["f"]
    free = program(SPOKEN).exports["f"]
    plan = Plan("ab2", 5)
    rewritten = forms.retimed(graph, plan, Switches())
    np.testing.assert_array_equal(result(rewritten), result(forms.retimed(free, plan, STEPS)))
    np.testing.assert_array_equal(result(forms.freeze(rewritten)), result(rewritten))
