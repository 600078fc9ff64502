"""Exact transport in train blocks: the matching, the coupling of a batch, reports, and where they are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.types import Axis, real
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.unseen.evaluation import loss_changes

Maker = Callable[[str], Program]
COUPLED = """
data x: [2], y: [] from npz("points.npz")
net f(x: [2]) -> [2] {{ return linear(x, 2) }}
train(steps = 3, batch = 8) {{
  x0 ~ normal([2])
  {line}
  minimize sum((f(x) - x0)^2) + 0 * y
  report sum((x - x0)^2), sum(x0), y * sum(x)
}}
"""


@pytest.fixture
def _points(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((64, 2)).astype(np.float32)
    np.savez(tmp_path / "points.npz", x=x, y=x.sum(1))


def test_the_matching_is_that_of_the_hungarian_method() -> None:
    axis = Axis("m1", 3, 1)
    graph = Graph(name="m")
    graph.inputs = [Value(real(9, 2).with_lead((axis,)), "x"), Value(real(9, 2), "y")]
    graph.outputs, graph.output_names = [Builder(graph).emit(Matching, *graph.inputs)], ["p"]
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((3, 9, 2)), rng.standard_normal((9, 2))
    (result,) = evaluate(graph, {"x": x, "y": y}, {}, {})
    (ours,) = lower(graph, Weights({}))(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_array_equal(result, ours.numpy())
    for i in range(3):
        rows, columns = linear_sum_assignment(((x[i][:, None] - y) ** 2).sum(-1))
        np.testing.assert_array_equal(result[i][columns], rows)


def outputs(program: Program, seed: int, step: int, x: np.ndarray) -> list[np.ndarray]:
    assert program.training is not None
    graph = forms.prepare(program.training.graph)
    weights = {name: np.zeros(w.shape) for name, w in program.weights.items()}
    feed = {"x": x, "y": x.sum(1)}
    return evaluate(graph, feed, {"seed": seed, "step": step}, weights)


@pytest.mark.usefixtures("_points")
def test_a_coupled_batch_is_the_nearest_order_of_the_same_draws(program: Maker) -> None:
    plain, coupled = program(COUPLED.format(line="")), program(COUPLED.format(line="(x0, x) = couple(x0, x)"))
    x = np.random.default_rng(3).standard_normal((8, 2))
    apart, near = outputs(plain, 1, 5, x), outputs(coupled, 1, 5, x)
    assert near[1].mean() < 0.8 * apart[1].mean()
    np.testing.assert_allclose(np.sort(near[2]), np.sort(apart[2]), rtol=1e-12)
    np.testing.assert_allclose(near[3], x.sum(1) ** 2, rtol=1e-12)
    for again, same in ((outputs(coupled, 1, 5, x), True), (outputs(coupled, 1, 6, x), False)):
        assert np.array_equal(again[2], near[2]) is same


@pytest.mark.usefixtures("_points")
def test_training_is_the_same_for_the_same_seed(program: Maker, tmp_path: Path) -> None:
    spec = program(COUPLED.format(line="(x0, x) = couple(x0, x)"))
    figures = [
        train(spec, tmp_path / str(i), Options(quiet=True, seed=seed)).figures for i, seed in enumerate((4, 4, 5))
    ]
    assert figures[0] == figures[1] != figures[2]


@pytest.mark.slow
def test_distances_of_the_batch_are_reported_and_trained_by(program: Maker, tmp_path: Path) -> None:
    text = """
data x: [2] from moons()
net f(z: [2]) -> [2] { return linear(z, 2) }
train(steps = 60, batch = 32, optimizer = adam(lr = 0.05)) {
  z ~ normal([2])
  y = f(z)
  minimize sliced_wasserstein(across(y), across(x)) + sinkhorn_divergence(across(y), across(x), iterations = 20)
  report wasserstein(across(y), across(x)), wasserstein(across(x), across(x)), sliced_wasserstein(across(y), across(x))
}
"""
    train(program(text), tmp_path, Options(quiet=True))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(row["wasserstein_2"] == 0 for row in rows)
    assert rows[-1]["wasserstein"] < 0.7 * rows[0]["wasserstein"]
    assert all(row["sliced_wasserstein"] <= row["wasserstein"] ** 2 for row in rows)


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        ("export f(x: [4, 2]) -> [] { return wasserstein(x, x) }", "matching-outside-train"),
        ("export f(x: [2]) -> [2] {\n  (a, b) = couple(x, x)\n  return a\n}", "matching-outside-train"),
        ("export f(x: [4, 2]) -> [4] { return matching(x, x) }", "matching-outside-train"),
        ("export f(x: [4, 2], y: [5, 2]) -> [] { return sliced_wasserstein(x, y) }", "shape-mismatch"),
        ("export f(x: [4, 2], y: [5, 3]) -> [] { return sinkhorn_divergence(x, y) }", "shape-mismatch"),
        ("export f(x: [2]) -> [] { return sinkhorn_divergence(x, x) }", "rank-mismatch"),
        ("export f(x: [4, 2]) -> [] { return sinkhorn_divergence(x, x, epsilon = 0) }", "check-failed"),
        ("export f(x: [4, 2]) -> [] { return sinkhorn_divergence(x, x, iterations = -1) }", "repeat-count"),
    ],
)
def test_what_is_refused(line: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(line + "\n", encoding="utf-8")
    assert [d.slug for d in check(path).diagnostics] == [slug]


@pytest.mark.usefixtures("_points")
def test_what_few_bits_cost_is_not_measured_where_onnx_has_no_such_loss(program: Maker) -> None:
    spec = program(COUPLED.format(line="(x0, x) = couple(x0, x)"))
    trained = Trained({n: np.ones(w.shape, np.float32) for n, w in spec.weights.items()})
    assert loss_changes(Preparations(spec, CompileOptions(quantize="int8")), trained) == []


def test_coupling_pairs_values_of_one_shape(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(COUPLED.format(line="(x0, y) = couple(x0, y)").replace("+ 0 * y", ""), encoding="utf-8")
    assert [d.slug for d in check(path).diagnostics] == ["shape-mismatch"]
