"""`repeat ... { } keep y as ys`: what every turn leaves, stacked, in numpy, torch and ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes.forms import prepare
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load

Maker = Callable[[str], Program]
PROGRAM = """
# What the turns of loops leave.
layer running(x: [P]) -> [P] {
  m = 0
  repeat P as t { m = 0.9 * m + 0.1 * x[t] } keep m as ms
  return ms
}
export kinds(x: [P], count: int = 3) -> ([P], [P], [P], [count], [P, P]) {
  m = 0
  repeat P shared as t {
    m = 0.9 * m + 0.1 * x[t]
    big = m > 0.1
    row = m * x
  } keep m as ms, t as ts, big as bigs, row as rows
  k = 1
  repeat count { k = k * 2 } keep k as ks
  return (ms, 1.0 * ts, where(bigs, 1.0, 0.0), 1.0 * ks, rows)
}
export mapped(x: [K, P]) -> [K, P] { return running(x) }
export nested(x: [P]) -> [3, P] {
  y = x
  repeat 3 shared {
    repeat P shared as t { z = y[t] + x[t] } keep z as zs
    y = zs
  } keep zs as all
  return all
}
export apart(x: [2]) -> ([4, 2], [4]) {
  repeat 4 as i {
    if i % 2 == 0 { x = 2 * x } else { x = -x }
    y = 2^i
  } keep x as xs, y as ys
  return (xs, 1.0 * ys)
}
export stopped(x: []) -> ([5], [5], []) {
  repeat 5 until x > 10 {
    x = 2 * x + 1
    half = x / 2
  } keep x as xs, half as halves
  return (xs, halves, x)
}
export labels(y: class[5]) -> class[5] {
  repeat 3 { y = (y + 2) % 5 } keep y as ys
  return ys[1]
}
export slopes(x: [P]) -> ([P], [], []) {
  m = 0
  repeat P as t { m = sin(x[t]) * m + x[t]^2 } keep m as ms
  e = sum(ms^2)
  return (grad(e, x), jvp(e, x, x), e)
}
export fresh(x: [2]) -> ([3, 2], [2]) {
  repeat 3 { x = tanh(linear(x, 2)) } keep x as xs
  return (xs, xs[-1] - x)
}
"""


def averages(x: np.ndarray) -> np.ndarray:
    m, rows = np.zeros(len(x)), []
    for column in x.T:
        m = 0.9 * m + 0.1 * column
        rows.append(m)
    return np.stack(rows, 1) if rows else x[:, :0]


def everywhere(spec: Program, name: str, folder: Path, inputs: dict[str, np.ndarray], **settings: int) -> list[list]:
    """The results by numpy, torch and ONNX Runtime."""
    graph, weights = prepare(spec.exports[name]), load_weights(spec, None)[0]
    model = load(export(spec, name, Trained(weights), folder).path, providers="cpu")
    results = model(**inputs, **settings)
    return [
        evaluate(graph, inputs, settings, weights),
        run(lower(graph, Weights(graph.weights)), graph, inputs, settings),
        list(results.values()) if isinstance(results, dict) else [results],
    ]


@pytest.mark.parametrize(("places", "count"), [(5, 3), (1, 0)])
def test_states_names_numbers_and_truths(program: Maker, tmp_path: Path, places: int, count: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, places)).astype(np.float32)
    ms = averages(x)
    wanted = [
        ms,
        np.tile(np.arange(places), (2, 1)),
        ms > 0.1,
        np.tile(2.0 ** np.arange(1, count + 1), (2, 1)),
        ms[..., None] * x[:, None],
    ]
    for results in everywhere(program(PROGRAM), "kinds", tmp_path, {"x": x}, count=count):
        for result, value in zip(results, wanted, strict=True):
            result = np.broadcast_to(result, (2, count)) if value is wanted[3] else result
            np.testing.assert_allclose(result, np.broadcast_to(value, result.shape), atol=1e-6)


def test_no_places_are_refused(program: Maker, tmp_path: Path) -> None:
    file = load(export(program(PROGRAM), "kinds", Trained(load_weights(program(PROGRAM), None)[0]), tmp_path).path)
    with pytest.raises(ModelError, match="`P` is at least 1, `x` has 0"):
        file(x=np.zeros((2, 0), np.float32), count=1)


def test_mapped_calls_nested_loops_and_turns_apart(program: Maker, tmp_path: Path) -> None:
    spec, x = program(PROGRAM), np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    for (result,) in everywhere(spec, "mapped", tmp_path, {"x": x}):
        np.testing.assert_allclose(result, averages(x.reshape(6, 4)).reshape(2, 3, 4), atol=1e-6)
    for (result,) in everywhere(spec, "nested", tmp_path, {"x": x[:, 0]}):
        np.testing.assert_allclose(result, x[:, :1] * np.array([2, 3, 4])[:, None], rtol=1e-5)
    for xs, ys in everywhere(spec, "apart", tmp_path, {"x": x[0, :, :2]}):
        np.testing.assert_allclose(xs, x[0, :, None, :2] * np.array([2, -2, -4, 4])[:, None], rtol=1e-6)
        np.testing.assert_allclose(np.broadcast_to(ys, (3, 4)), np.tile([1, 2, 4, 8], (3, 1)))
    for (result,) in everywhere(spec, "labels", tmp_path, {"y": np.arange(5)}):
        np.testing.assert_array_equal(result, (np.arange(5) + 4) % 5)
    for xs, difference in everywhere(spec, "fresh", tmp_path, {"x": x[0, :, :2]}):
        assert np.shape(xs) == (3, 3, 2) and not np.any(difference)


def test_rows_of_turns_not_taken_are_zero(program: Maker, tmp_path: Path) -> None:
    x = np.array([0.0, 5.0, 1.5], np.float32)
    wanted = np.array([[1, 3, 7, 15, 0], [11, 0, 0, 0, 0], [4, 9, 19, 0, 0]])
    for xs, halves, last in everywhere(program(PROGRAM), "stopped", tmp_path, {"x": x}):
        np.testing.assert_allclose(xs, wanted)
        np.testing.assert_allclose(halves, wanted / 2)
        np.testing.assert_allclose(last, [15, 11, 19])


def test_derivatives_go_through_what_is_kept(program: Maker, tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=(1, 4))

    def energy(x: np.ndarray) -> float:
        m = total = 0.0
        for number in x:
            m = np.sin(number) * m + number**2
            total += m * m
        return total

    steps = 1e-6 * np.eye(4)
    slopes = [(energy(x[0] + step) - energy(x[0] - step)) / 2e-6 for step in steps]
    for gradient, along, e in everywhere(program(PROGRAM), "slopes", tmp_path, {"x": x.astype(np.float32)}):
        np.testing.assert_allclose(gradient[0], slopes, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(along[0], slopes @ x[0], rtol=1e-4)
        np.testing.assert_allclose(e[0], energy(x[0]), rtol=1e-5)


@pytest.mark.parametrize(
    ("body", "slug", "place"),
    [
        ("repeat 3 { z = x } keep y as ys", "unknown-state", "y"),
        ("repeat 2 as i { y = zeros([i + 1]) } keep y as ys", "loop-shape-changes", "y"),
        ("repeat 2 as i { if i == 0 { y = x } } keep y as ys", "unknown-state", "y"),
        ("repeat sum(n) { y = x } keep y as ys", "static-needed", "sum(n)"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(tmp_path: Path, body: str, slug: str, place: str) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f(x: [3]) -> [] {{\n  n = range(3)\n  {body}\n  return sum(1.0 * ys) + sum(x)\n}}\n")
    diagnostics = [d for d in check(path).diagnostics if d.severity == "error"]
    assert [(d.slug, d.span.text if d.span else "") for d in diagnostics] == [(slug, place)]
