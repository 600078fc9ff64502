"""Derivatives inside a loop: by a state they are those of the turn, by a value outside they go through all turns so far."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.passes.forms import derived
from mai.compiler.program import Program
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
X = np.array([0.7, 2.0, -1.0])


def value_of(spec: Program, **feed: Array) -> Array:
    return evaluate(derived(spec.exports["f"]), feed, {}, {})[0]


def looped(first: str, loop: str, line: str) -> str:
    """h_t = h_{t-1} + x^2 for three turns, and a derivative in each."""
    return f"export f(x: []) -> [3] {{\n  h = {first}\n  {loop} {{\n    h = h + x^2\n    {line}\n  }} keep g as gs\n  return gs\n}}\n"


@pytest.mark.parametrize("loop", ["repeat 3 shared as t", "repeat 3 as t"])
@pytest.mark.parametrize("line", ["g = grad(h, x)", "g = jvp(h, x, 1)", "g = jacobian(h, x)"])
@pytest.mark.parametrize("first", ["0.0", "x"])
def test_a_derivative_by_a_value_outside_goes_through_all_turns(
    program: Maker, first: str, loop: str, line: str
) -> None:
    """As it does where the turns have parameters of their own, and are written out for that."""
    wanted = 2 * X[:, None] * np.arange(1, 4) + (first == "x")
    np.testing.assert_allclose(value_of(program(looped(first, loop, line)), x=X), wanted)


def test_what_a_turn_gives_may_depend_on_the_derivatives_before_it(program: Maker) -> None:
    """h <- h - 0.1 dh/dx of h = x^3: x^3, less 0.3 x^2, plus ..., a polynomial that is differentiated by hand."""
    spec = program(
        "export f(x: []) -> [] {\n  h = x^3\n  repeat 3 shared { h = h - 0.1 * grad(h, x) }\n  return h\n}\n"
    )
    h = np.poly1d([1, 0, 0, 0])
    for _ in range(3):
        h = h - 0.1 * h.deriv()
    np.testing.assert_allclose(value_of(spec, x=X), h(X))


def test_a_derivative_in_an_integral_goes_through_its_steps(program: Maker) -> None:
    """dh/ds = x^2 and dl/ds = d(2 h)/dx, by three steps of Euler's."""
    spec = program(
        "export f(x: []) -> [] {\n  h = 0.0\n  l = 0.0\n"
        "  integrate s in 0..1 using euler(3) {\n    dh/ds = x^2\n    dl/ds = grad(2 * h, x)\n  }\n  return l\n}\n"
    )
    np.testing.assert_allclose(value_of(spec, x=X), 4 * X * (0 + 1 / 3 + 2 / 3) / 3)


def test_a_derivative_through_an_integral_in_a_loop(program: Maker) -> None:
    text = """export f(x: []) -> [] {
  repeat 3 shared {
    y = x
    integrate s in 0..1 using euler(4) { dy/ds = -y }
    x = x + grad(y, x)
  }
  return x
}
"""
    np.testing.assert_allclose(value_of(program(text), x=X), X + 3 * 0.75**4)


def test_a_loop_inside_a_loop(program: Maker) -> None:
    """h grows by x in six turns in all, and the derivatives are 1 to 6."""
    spec = program(
        "export f(x: []) -> [] {\n  h = 0.0\n  l = 0.0\n  repeat 2 shared {\n"
        "    repeat 3 shared {\n      h = h + x\n      l = l + grad(h, x)\n    }\n  }\n  return l\n}\n"
    )
    np.testing.assert_allclose(value_of(spec, x=X), np.full(3, 21.0))


@pytest.mark.parametrize(
    "line", ["u = h\n    g = grad(u^2, u)", "g = grad(h^2, h)", "g = grad(stop_gradient(h) * x + h, h)"]
)
def test_a_derivative_by_a_state_is_that_of_the_turn(program: Maker, line: str) -> None:
    text = looped("x", "repeat 3 shared as t", line)
    spec = program(text)
    h = X[:, None] + X[:, None] ** 2 * np.arange(1, 4)
    np.testing.assert_allclose(value_of(spec, x=X), np.ones_like(h) if "stop" in line else 2 * h)
    assert [node.op.name for node in derived(spec.exports["f"]).nodes].count("loop") == 1


def test_states_that_the_value_does_not_read_leave_the_loop_as_it_is(program: Maker) -> None:
    """Though they depend on x, too; and however many turns there are."""
    text = "export f(x: [], n: int = 4) -> [] {\n  h = x\n  l = 0.0\n  repeat n shared {\n    h = h * x\n    l = l + grad(x^2, x)\n  }\n  return l\n}\n"
    spec = program(text)
    np.testing.assert_allclose(evaluate(derived(spec.exports["f"]), {"x": X}, {"n": np.array(4)}, {})[0], 8 * X)


@pytest.mark.parametrize(
    ("loop", "first", "why"),
    [
        ("repeat 9 until h > 3", "", "the number of its turns is not known"),
        ("repeat n shared", "", "the number of its turns is not known"),
        ("repeat 100000 shared", "", "its 100,000 turns are too many"),
        ("repeat 400 shared", "", "its 400 turns are too many"),
        ("repeat 50 shared { repeat 50 shared", "", "its 50 turns are too many"),
        ("repeat 300", "param w: [] = 1", "its 300 turns are too many"),
        ("repeat 170 as i", "if i % 2 == 0 { h = h + 2 }", "more than 50,000 operations in all"),
    ],
)
def test_turns_that_cannot_be_written_out_are_refused(tmp_path: Path, loop: str, first: str, why: str) -> None:
    body = f"{first}\n    h = h + x^2\n    l = l + grad(h, x)"
    ends = "\n  }" * (1 + loop.count("{"))
    text = f"export f(x: [], n: int = 3) -> [] {{\n  h = x\n  l = 0.0\n  {loop} {{\n    {body}{ends}\n  return l\n}}\n"
    (path := tmp_path / "f.mai").write_text(text, encoding="utf-8")
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.slug == "not-differentiable" and why in diagnostic.message
    assert "(h, dh) = jvp(step, (h, x), (dh, 1))" in str(diagnostic.help)


def test_the_derivative_as_a_state_is_what_the_refusal_says(program: Maker) -> None:
    spec = program(
        "layer step(h: [], x: []) -> [] { return h + x^2 * h }\n"
        "export f(x: [], n: int = 3) -> [] {\n  h = x\n  dh = 1.0\n"
        "  repeat n shared { (h, dh) = jvp(step, (h, x), (dh, 1)) }\n  return dh\n}\n"
    )
    result = evaluate(derived(spec.exports["f"]), {"x": X}, {"n": np.array(3)}, {})[0]
    np.testing.assert_allclose(result, (np.poly1d([1, 0, 1]) ** 3 * np.poly1d([1, 0])).deriv()(X))


def test_a_derivative_through_the_solution_of_a_fixed_point_is_refused(tmp_path: Path) -> None:
    """By the solution it is that of the function at it: z = cos(x) + z^2 / 8 there."""
    text = (
        "export f(x: []) -> [] {\n  z = 0.0\n  repeat 60 shared { z = cos(x) + z^2 / 8 }\n"
        "  return grad(fixed_point(z, cos(x) + z * grad(z^2, %s) / 16), x)\n}\n"
    )
    (path := tmp_path / "f.mai").write_text(text % "x", encoding="utf-8")
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.slug == "not-differentiable" and "through the solution of the fixed point" in diagnostic.message
    path.write_text(text % "z", encoding="utf-8")
    assert not check(path).diagnostics
