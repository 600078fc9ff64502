"""Parts of a velocity that are computed at every k-th step: beside a loop by hand, and spared in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.tableaus import Adams, Tableau
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

Maker = Callable[[str], Program]
Array = np.ndarray
FIXED = [name for name, solver in SOLVERS.items() if solver.plannable]
SPEC = (
    "net v(x: [2], s: []) -> [2] {{ h = sin(x + s)\n return h - reusable(cos(2 * h) + s) }}\n"
    "export f(x: [2], k: int = 1) -> [2] {{ integrate s in 0..1 using {solver}(7{option}) {{ {moved} }}{keep}\n return x }}"
)
GUIDED = """
net v(x: [3], s: [], y: class[4]) -> [3] {
  h = silu(linear(concat(x, fourier(s, 4)), 8) + embed(y, 8))
  h += reusable(linear(silu(linear(h, 16)), 8))
  return linear(h, 3)
}

export f(y: class[3], points: [5, 3], guidance: real = 2.0, steps: int = 6, reuse: int = 3) -> [5, 3] {
  integrate s in 0..1 using heun(steps, reuse = reuse) {
    free = v(points, s, 3)
    dpoints/ds = free + guidance * (v(points, s, y) - free)
  }
  return points
}
"""


def spec_with(program: Maker, solver: str, option: str, keep: str = "", moved: str = "dx/ds = v(x, s)") -> Program:
    return program(SPEC.format(solver=solver, option=option, keep=keep, moved=moved))


def by_hand(solver: str, steps: int, every: int, x: Array) -> Array:
    """The same steps as a plain loop: what is kept is that of the last evaluation of a k-th step."""
    rule, h, kept = SOLVERS[solver].rule, 1 / steps, np.zeros_like(x)

    def v(x: Array, s: float, renews: bool = True) -> Array:
        nonlocal kept
        kept = np.cos(2 * np.sin(x + s)) + s if renews else kept
        return np.sin(x + s) - kept

    if isinstance(rule, Adams):
        now = v(x, 0.0)
        rise = v(x + h * now, h) - now
        past = [now - (j + 1) * rise for j in range(len(rule.b) - 1)]
        for n in range(steps):
            past = [v(x, n * h, n % every == 0), *past][: len(rule.b)]
            x = x + h * sum(float(b) * k for b, k in zip(rule.b, past, strict=True))
        return x
    assert isinstance(rule, Tableau)
    for n in range(steps):
        slopes: list[Array] = []
        for row, c in zip(rule.a, rule.c, strict=True):
            at = x + h * sum(float(a) * k for a, k in zip(row, slopes, strict=True))
            slopes.append(v(at, (n + float(c)) * h, n % every == 0))
        x = x + h * sum(float(b) * k for b, k in zip(rule.b, slopes, strict=True))
    return x


@pytest.mark.parametrize("every", [2, 3, 9])
@pytest.mark.parametrize("solver", FIXED)
def test_every_solver_keeps_what_is_reusable(program: Maker, solver: str, every: int) -> None:
    x = np.random.default_rng(0).normal(size=(4, 2))
    graph = forms.prepare(spec_with(program, solver, ", reuse = k").exports["f"])
    for g in (graph, forms.optimise(graph)):
        (result,) = evaluate(g, {"x": x}, {"k": every}, {})
        np.testing.assert_allclose(result, by_hand(solver, 7, every, x), rtol=1e-12)
    assert np.abs(result - by_hand(solver, 7, 1, x)).max() > 1e-3


def test_noise_keeps_as_the_step_without(program: Maker) -> None:
    x = np.random.default_rng(0).normal(size=(4, 2))
    noisy = spec_with(program, "euler_maruyama", ", reuse = 3", moved="dx = v(x, s) * ds + 0 * dW")
    (result,) = evaluate(forms.prepare(noisy.exports["f"]), {"x": x}, {}, {})
    np.testing.assert_allclose(result, by_hand("euler", 7, 3, x), rtol=1e-12)


@pytest.mark.parametrize("option", ["", ", reuse = 1", ", reuse = k"])
def test_without_it_all_is_computed(program: Maker, option: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 2))
    for keep in ("", " keep x as xs", " until x[0] > 9 as hit", " keep x at [0.5, 0.7] as xs"):
        whole = spec_with(program, "heun", option, keep).exports["f"]
        (result,) = evaluate(forms.prepare(whole), {"x": x}, {"k": 1}, {})
        np.testing.assert_allclose(result, by_hand("heun", 7, 1, x), rtol=1e-12)


@pytest.mark.parametrize("keep", [" keep x as xs", " until x[0] > 9 as hit", " keep x at [0.5, 0.7] as xs"])
def test_what_is_kept_of_the_way_changes_nothing(program: Maker, keep: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 2))
    (result,) = evaluate(forms.prepare(spec_with(program, "rk4", ", reuse = 2", keep).exports["f"]), {"x": x}, {}, {})
    np.testing.assert_allclose(result, by_hand("rk4", 7, 2, x), rtol=1e-12)


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_graphs(attribute.g)


def products(graph: onnx.GraphProto) -> int:
    return sum(node.op_type in ("Gemm", "MatMul") for node in graph.node)


@pytest.mark.parametrize("options", [CompileOptions(), CompileOptions(unroll=True)], ids=["loop", "unrolled"])
def test_a_file_computes_it_only_where_it_is_chosen(tmp_path: Path, options: CompileOptions) -> None:
    """With guidance, a mapped axis and two stages a step; the gate compares it with torch, a batch of one among others."""
    program = check_text(Path("f.mai"), GUIDED).program
    assert program is not None
    weights, _ = load_weights(program, None)
    path = export(program, "f", Trained(weights), tmp_path, options).path
    graphs = list(all_graphs(onnx.load(path).graph))
    branches = [a.g for graph in graphs for n in graph.node if n.op_type == "If" for a in n.attribute]
    if options.unroll:
        deep = [n for g in graphs for n in g.node for name in n.input if "linear_2.weight" in name]
        assert not branches
        assert len(deep) == 4  # Two steps, two stages: what no step reads is gone.
        return
    assert sorted(map(products, branches)) == [0, 0, 2, 2]  # A stage each, with both calls as one batch.
    model = load(path, providers="cpu")
    inputs = {"y": np.array([0, 2]), "points": np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)}
    whole = check_text(Path("f.mai"), GUIDED.replace(", reuse = reuse", "")).program
    assert whole is not None
    wanted = load(export(whole, "f", Trained(weights), tmp_path / "whole").path, providers="cpu")(**inputs)
    np.testing.assert_allclose(model(**inputs, reuse=1), wanted, atol=1e-6)
    assert np.abs(model(**inputs) - wanted).max() > 1e-4


def test_guidance_in_an_interval_is_computed_there_alone(tmp_path: Path) -> None:
    """A condition on the time: the net without a label is evaluated in a branch, and the file is what torch computes."""
    guided = "own = v(points, s, y)\n dpoints/ds = where(0.2 < s and s < 0.7, free + guidance * (own - free), own)"
    text = GUIDED.replace("dpoints/ds = free + guidance * (v(points, s, y) - free)", guided)
    program = check_text(Path("f.mai"), text.replace("heun(steps, reuse = reuse)", "euler(steps)")).program
    assert program is not None
    path = export(program, "f", Trained(load_weights(program, None)[0]), tmp_path).path
    graphs = list(all_graphs(onnx.load(path).graph))
    (choice,) = [n for graph in graphs for n in graph.node if n.op_type == "If"]
    (body,) = [graph for graph in graphs if choice in graph.node]
    assert sorted(products(a.g) for a in choice.attribute) == [
        0,
        3,
    ]  # The first product is of the points alone, and one for both.
    assert products(body) == 4


@pytest.mark.parametrize(
    ("solver", "message"),
    [
        ("heun(5, reuse = 0)", "every so many-th step"),
        ("heun(5, reuse = 2, adjoint = true)", "without one of them"),
        ("dopri5(reuse = 2)", "chooses its steps"),
    ],
)
def test_what_cannot_be_is_refused(solver: str, message: str) -> None:
    text = SPEC.format(solver="X", option="", keep="", moved="dx/ds = v(x, s)").replace("X(7)", solver)
    (diagnostic,) = check_text(Path("f.mai"), text).diagnostics
    assert message in f"{diagnostic.message} {diagnostic.help}"


def test_nothing_to_reuse_is_told() -> None:
    text = "export f(x: [2]) -> [2] { integrate s in 0..1 using rk4(4, reuse = 2) { dx/ds = {} }\n return x }"
    (diagnostic,) = check_text(Path("f.mai"), text.replace("{}", "-x")).diagnostics
    assert "calls nothing so" in diagnostic.message
    turns = "h = x\n repeat 3 { h = reusable(-h) }\n dx/ds = h"
    looped = text.replace("dx/ds = {}", f"\n {turns}\n")
    (diagnostic,) = check_text(Path("f.mai"), looped).diagnostics
    assert "in a loop" in diagnostic.message


@pytest.mark.parametrize(
    ("velocity", "is_refused"),
    [
        ("grad(sum(sin(x) + reusable(cos(2 * x))), x)", True),
        ("x * div(reusable(tanh(x)), x)", True),
        ("-x + reusable(grad(sum(cos(2 * x)), x))", False),
        ("reusable(tanh(x)) + grad(sum(cos(x)), x)", False),
    ],
)
def test_a_derivative_of_what_is_kept_is_refused(velocity: str, is_refused: bool) -> None:
    """At the steps that keep a value its derivative would be 0, and the velocity another one."""
    text = (
        f"export f(x: [2]) -> [2] {{ integrate s in 0..1 using rk4(4, reuse = 2) {{ dx/ds = {velocity} }}\n return x }}"
    )
    diagnostics = check_text(Path("f.mai"), text).diagnostics
    assert [d.slug for d in diagnostics] == ["solver-option"] * is_refused
    assert all("derivative" in d.message for d in diagnostics)
