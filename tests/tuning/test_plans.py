"""Plans: an integral by another method and grid is the change of variable that one would write by hand."""

from __future__ import annotations

import itertools
import math
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
from mai.compiler.passes.loops.retime import spared_share
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.grid import Grid, Plan
from mai.compiler.tuning.sampling import replace_plan
from mai.compiler.tuning.subject import METHODS, Subject
from mai.runtime import load

Maker = Callable[[str], Program]
BENT = Grid(-0.4, 0.3)
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
# By hand: s = 2 - 3 g(u), ds/du = -3 g'(u).
HAND = """
    s = 2 - 3 * (u - 0.4 * u * (u - 1) - 0.3 * sin(6.283185307179586 * u) / 6.283185307179586)
    """ + FIELD.format(
    t="u", s="s", rate="-3 * (1 - 0.4 * (2 * u - 1) - 0.3 * cos(6.283185307179586 * u)) * "
)  # fmt: skip
X = np.random.default_rng(0).standard_normal((4, 2))


def subject(program: Program) -> Subject:
    graph = program.exports["f"]
    return Subject(graph, Plan("rk4", 8), "steps", False)


def result(graph: Graph, x: np.ndarray = X, **settings: int) -> np.ndarray:
    return evaluate(forms.prepare(graph), {"x": x}, settings, {})[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_grid_is_the_change_of_variable_by_hand(method: str, program: Maker) -> None:
    made = forms.retimed(program(SPOKEN).exports["f"], Plan(method, 7, BENT), "steps")
    hand = program(SPEC.format(t="u", bounds="0..1", method=method, body=HAND)).exports["f"]
    np.testing.assert_allclose(result(made), result(hand, steps=7), rtol=1e-12)
    assert made.settings["steps"].default == 7
    np.testing.assert_allclose(result(made, steps=4), result(hand, steps=4), rtol=1e-12)


@pytest.mark.parametrize(("method", "begun", "stages"), [("ab2", 2, 1), ("rk4", 0, 4), ("euler", 0, 1)])
def test_a_plan_costs_what_its_steps_do(method: str, begun: int, stages: int) -> None:
    for steps, every in itertools.product((1, 5, 9), (1, 2, 3, 20)):
        wanted = begun + stages * sum(1 if n % every == 0 else 1 - 0.25 for n in range(steps))
        assert Plan(method, steps, Grid(), every, 0.25).cost == pytest.approx(wanted)


def test_what_is_reusable_is_reused_by_a_setting(program: Maker) -> None:
    """The file gets a setting, which switches it off; a setting of the spec stays what it is."""
    text = SPEC.format(t="s", bounds="0..1", method="{}", body="dx/ds = s - reusable(sin(3 * x))")
    spoken = program(text.replace("{}(steps)", "rk4(steps)")).exports["f"]
    own = program(text.replace("{}(steps)", "rk4(steps, reuse = k)").replace("8)", "8, k: int = 1)")).exports["f"]
    hand = program(text.replace("{}(steps)", "ab2(steps, reuse = 3)")).exports["f"]
    for graph, name in ((spoken, "reuse"), (own, "k")):
        made = forms.retimed(graph, Plan("ab2", 7, reuse=3), "steps", name)
        assert made.settings[name].default == 3 and "reuse" not in graph.settings
        np.testing.assert_array_equal(result(made), result(hand, steps=7))
        whole = forms.retimed(graph, Plan("ab2", 7), "steps", name)
        np.testing.assert_array_equal(result(made, **{name: 1}), result(whole))
    assert "reuse" not in forms.retimed(spoken, Plan("ab2", 7), "steps", "reuse").settings


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
    assert spared_share(program(text).exports["f"]) == pytest.approx(deep / (deep + 2 * 4 * 8))
    assert spared_share(program(text.replace("reusable", "")).exports["f"]) == 0
    downhill = text.replace("dx/ds = v(x)", "dx/ds = grad(sum(v(x)^2), x)")  # What is kept has no derivative.
    assert spared_share(program(downhill).exports["f"]) == 0


@pytest.mark.parametrize("method", METHODS)
def test_even_steps_are_the_spec_with_another_solver(method: str, program: Maker) -> None:
    made = forms.retimed(program(SPOKEN).exports["f"], Plan(method, 5), "steps")
    body = FIELD.format(t="s", s="s", rate="")
    hand = program(SPEC.format(t="s", bounds="2..-1", method=method, body=body)).exports["f"]
    np.testing.assert_array_equal(result(made), result(hand, steps=5))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_grid_keeps_the_order(method: str, program: Maker) -> None:
    graph = program(SPOKEN.replace("2..-1", "0..1")).exports["f"]
    exact = result(forms.retimed(graph, Plan("rk4", 2000), "steps"))
    steps = np.array([32, 64, 128])
    bent = forms.retimed(graph, Plan(method, 8, BENT), "steps")
    errors = [np.abs(result(bent, steps=n) - exact).max() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(slope - SOLVERS[method].order) < 0.25


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("grid", [Grid(0.7, 0), Grid(0, 0.6)], ids=["skew", "ends"])
def test_a_straight_flow_stays_straight(method: str, grid: Grid, program: Maker) -> None:
    order, multistep = SOLVERS[method].order, method.startswith("ab")
    if (grid.skew and order == 1) or (grid.ends and multistep):
        pytest.skip("not one of those that integrate this grid exactly")
    text = SPEC.format(t="s", bounds="0..1", method="rk4", body="dx/ds = concat([3], [-1])")
    made = forms.retimed(program(text).exports["f"], Plan(method, 3, grid), "steps")
    np.testing.assert_allclose(result(made), X + np.array([3, -1]), atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("grid", [Grid(-0.9, 0.05), Grid(0.5, -0.45), BENT])
def test_time_moves_on_from_0_to_1(grid: Grid, program: Maker) -> None:
    # With dx/ds = 1 and many steps, x is the time; kept, it is the grid itself.
    text = (
        "export f(steps: int = 4000) -> [steps + 1] {\n  x = 0\n"
        "  integrate s in 0..1 using rk4(steps) { dx/ds = 1 } keep x as xs\n  return xs\n}\n"
    )
    made = forms.retimed(program(text).exports["f"], Plan("rk4", 4000, grid), "steps")
    (held,) = evaluate(forms.prepare(made), {}, {"batch": 1, "steps": 4000}, {})
    u = np.linspace(0, 1, 4001)
    wanted = u + grid.skew * u * (u - 1) - grid.ends * np.sin(2 * math.pi * u) / (2 * math.pi)
    np.testing.assert_allclose(held[0], wanted, atol=1e-9)
    assert (np.diff(held[0]) > 0).all()


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
    assert calls(discretise(forms.retimed(graph, plan, "steps")), el.Tanh, 9) == plan.evaluations


@pytest.mark.parametrize("method", METHODS)
def test_the_file_computes_what_numpy_does(method: str, program: Maker, tmp_path: Path) -> None:
    made = program(SPOKEN)
    changed = replace_plan(made, "f", subject(made), Plan(method, 6, BENT))
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
    made = forms.retimed(graph, plan, None)
    np.testing.assert_array_equal(result(made), result(forms.retimed(free, plan, "steps")))
    np.testing.assert_array_equal(result(forms.freeze(made)), result(made))
