"""Where solvers are stable, and the orders of those that choose their steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS, Solver

Maker = Callable[[str], Program]
# How far to the left h k may lie for y' = k y with k < 0: where the growth of a step has the size one.
REACH = {
    "euler": 2.0, "midpoint": 2.0, "heun": 2.0, "ralston": 2.0, "rk4": 2.785293563, "ab2": 1.0, "ab3": 6 / 11,
}  # fmt: skip
ADAPTIVE = [s for s in SOLVERS.values() if s.adaptive]


def test_every_solver_is_looked_at() -> None:
    assert {s.name for s in SOLVERS.values() if s.plannable} == set(REACH)


@pytest.mark.parametrize("name", REACH)
def test_steps_of_one_length_are_stable_as_far_as_they_reach(name: str, program: Maker) -> None:
    text = f"export f(y: [], k: []) -> [] {{\n  integrate s in 0..1 using {name}(400) {{ dy/ds = k * y }}\n  return y\n}}\n"
    graph = forms.prepare(program(text).exports["f"])
    (y,) = evaluate(graph, {"y": np.ones(2), "k": -400 * REACH[name] * np.array([0.95, 1.05])}, {}, {})
    assert abs(y[0]) < 0.1 and abs(y[1]) > 10


@pytest.mark.parametrize("solver", ADAPTIVE, ids=lambda s: s.name)
def test_steps_of_their_own_length_stay_stable(solver: Solver, program: Maker) -> None:
    """y comes to cos(s) within a thousandth; an explicit method pays for it with steps, an implicit one does not."""
    name, implicit = solver.name, solver.implicit
    text = (
        f"export f(y: []) -> [] {{\n  integrate s in 0..1 using {name}(rtol = 1e-5, atol = 1e-5, max_steps = 2000)"
        " { dy/ds = -500 * (y - cos(s)) }\n  return y\n}\n"
    )
    (y, counts) = evaluate(forms.prepare(program(text).exports["f"]), {"y": np.array([1.0, 30.0])}, {}, {})
    np.testing.assert_allclose(y, np.cos(1) + np.sin(1) / 500, atol=1e-4)
    assert (counts < 300).all() if implicit else (counts > 400).all()


@pytest.mark.parametrize("solver", ADAPTIVE, ids=lambda s: s.name)
def test_the_error_of_one_step_falls_with_the_order(solver: Solver, program: Maker) -> None:
    """y' = y cos(s) from a number so small that h is one step, as the evaluations tell: wrong by h^(order + 1)."""
    name, order = solver.name, solver.order
    text = (
        f"export f(y: [], h: []) -> [] {{\n  integrate s in 0.3..0.3 + h using {name}(rtol = 0.99, atol = 0.99)"
        " { dy/ds = y * cos(s) }\n  return y\n}\n"
    )
    h = np.array([0.2, 0.1, 0.05])
    (y, counts) = evaluate(forms.prepare(program(text).exports["f"]), {"y": np.full(3, 0.01), "h": h}, {}, {})
    stages = {"bosh3": 3, "tsit5": 6, "dopri5": 6, "rodas5": 8}[name]
    assert (counts == 2 + stages).all()
    errors = np.abs(100 * y - np.exp(np.sin(0.3 + h) - np.sin(0.3)))
    assert abs(np.polyfit(np.log(h), np.log(errors), 1)[0] - (order + 1)) < 0.4
