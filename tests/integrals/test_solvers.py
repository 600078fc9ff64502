"""Solvers of one step length: their orders, exact solutions, time in both directions, kept paths."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS, Adams, Solver, Tableau
from mai.compiler.solvers.tableaus import Additive, Milstein

Maker = Callable[[str], Program]
FIXED = [s for s in SOLVERS.values() if s.plannable]
SPEC = """
export f(x: [2], steps: int = 8) -> [2] {{
  integrate s in 0..1 using {solver}(steps) {{ dx/ds = {field} }}
  return x
}}
"""
FIELDS = {
    # The oscillator: x(1) = rotation of x(0) by one radian.
    "concat([x[1]], [-x[0]])": lambda x: np.stack(
        [x[:, 0] * np.cos(1) + x[:, 1] * np.sin(1), x[:, 1] * np.cos(1) - x[:, 0] * np.sin(1)], 1
    ),
    # A force that depends on the time: x(1) = x(0) / e + (e (cos 3 + 3 sin 3) - 1) / (10 e).
    "cos(3 * s) - x": lambda x: x / np.e + (np.cos(3) + 3 * np.sin(3)) / 10 - 1 / (10 * np.e),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_the_error_falls_with_the_order(solver: Solver, field: str, program: Maker) -> None:
    graph = forms.prepare(program(SPEC.format(solver=solver.name, field=field)).exports["f"])
    x = np.random.default_rng(1).standard_normal((4, 2))
    exact = FIELDS[field](x)
    steps = np.array([32, 64, 128])
    errors = [np.abs(evaluate(graph, {"x": x}, {"steps": n}, {})[0] - exact).max() for n in steps]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(slope - solver.order) < 0.15


@pytest.mark.parametrize("solver", FIXED, ids=lambda s: s.name)
def test_there_and_back_again(solver: Solver, program: Maker) -> None:
    text = (
        "export f(x: [2]) -> [2] {\n"
        f"  integrate s in 0..1 using {solver.name}(50) {{ dx/ds = sin(x) + s }}\n"
        f"  integrate s in 1..0 using {solver.name}(50) {{ dx/ds = sin(x) + s }}\n  return x\n}}\n"
    )
    x = np.random.default_rng(2).standard_normal((3, 2))
    (back,) = evaluate(forms.prepare(program(text).exports["f"]), {"x": x}, {}, {})
    np.testing.assert_allclose(back, x, atol=2.0 * 50.0**-solver.order)


@pytest.mark.parametrize(
    ("solver", "move"),
    [
        ("rk4", "dx/ds = {}"),
        ("euler_maruyama", "dx = {} * ds"),
        ("euler_maruyama", "u = {} * ds\n      dx = u"),
    ],
)
def test_an_if_chooses_how_a_state_moves(solver: str, move: str, program: Maker) -> None:
    text = f"""
layer f(x: [2], kind) -> [2] {{
  integrate s in 0..1 using {solver}(50) {{
    v = -x
    if kind == 1 {{
      w = 2 * v
      {move.format("w")}
    }} else {{
      if kind == 2 {{ {move.format("v")} }} else {{ {move.format("0 * x")} }}
    }}
  }} keep x as xs
  return xs[-1]
}}
export g(x: [2]) -> [3, 2] {{ return [f(x, 1), f(x, 2), f(x, 3)] }}
"""
    x = np.array([[1.0, -2.0]])
    (result,) = evaluate(forms.prepare(program(text).exports["g"]), {"x": x}, {}, {})
    np.testing.assert_allclose(result[0], x * np.exp([[-2], [-1], [0]]), rtol=1e-6 if solver == "rk4" else 0.05)


def test_paths_keep_every_step_and_several_states(program: Maker) -> None:
    text = (
        "export f(x: [2], steps: int = 4) -> [steps + 1, 2] {\n  l = 0\n"
        "  integrate s in 0..2 using euler(steps) {\n    dx/ds = x\n    dl/ds = 1\n  } keep x as xs, l as ls\n"
        "  return xs + ls[:, None]\n}\n"
    )
    graph = forms.prepare(program(text).exports["f"])
    x = np.array([[1.0, -2.0]])
    (path,) = evaluate(graph, {"x": x}, {"steps": 4}, {})
    growth = 1.5 ** np.arange(5)
    np.testing.assert_allclose(path[0], growth[:, None] * x + 0.5 * np.arange(5)[:, None])


def check_additive(rule: Additive) -> None:
    """Rößler's conditions for the strong order 3/2 (2010, theorem 6.1, for additive noise)."""
    (b, c, p, q, e), inner = (
        (np.array(row, float) for row in (rule.b, rule.c, rule.p, rule.q, rule.e)),
        np.array(rule.d, float),
    )
    assert (b.sum(), p.sum(), q.sum()) == (1, 1, 0)
    np.testing.assert_allclose(
        [b @ c, b @ inner.sum(1), b @ inner.sum(1) ** 2, p @ e, q @ e], [0.5, 1, 1.5, 1, -1], atol=1e-15
    )


@pytest.mark.parametrize("solver", [s for s in SOLVERS.values() if not s.implicit], ids=lambda s: s.name)
def test_coefficients_are_consistent(solver: Solver) -> None:
    if isinstance(solver.rule, (Adams, Milstein)):
        assert sum(solver.rule.b) == 1
        return
    if isinstance(solver.rule, Additive):
        check_additive(solver.rule)
        return
    tableau = solver.rule
    assert isinstance(tableau, Tableau)
    # Tsitouras prints 16 digits, so that his rows add up to them alone.
    assert abs(float(sum(tableau.b)) - 1) < 1e-14
    np.testing.assert_allclose([float(sum(row)) for row in tableau.a], [float(c) for c in tableau.c], atol=1e-14)
    assert not tableau.error or abs(float(sum(tableau.error))) < 1e-14
