"""A `Gemm` turns its operands over itself; where ONNX Runtime would fuse a `Transpose` into it, it loses an operand that leaves the body."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.onnx.layout.turned_operands import turn_operands
from mai.compiler.program import Program
from mai.runtime import load

KALMAN = """
export filter(y: [P, 1]) -> ([P, 2], [], [P, 2, 2]) {
  A = [[1, 0.1], [0, 1]]
  H = [[1, 0.5]]
  mean = zeros([2])
  C = identity(2)
  total = 0.0
  repeat P shared as t {
    mean = A @ mean
    C = A @ C @ A' + identity(2)
    S = H @ C @ H' + identity(1)
    e = y[t] - H @ mean
    K = solve(S, H @ C)'
    mean += K @ e
    C = C - K @ S @ K'
    total += e[0]
  } keep mean as means, C as covariances
  return (means, total, covariances)
}
"""


def test_a_kalman_filter_with_its_covariances_is_that_of_the_formulas(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    spec = program(KALMAN)
    exported = export(spec, "filter", Trained({}), tmp_path)
    y = np.random.default_rng(0).normal(size=(2, 20, 1)).astype(np.float32)
    means, total, covariances = load(exported.path)(y=y).values()
    A, H = np.array([[1, 0.1], [0, 1]]), np.array([[1, 0.5]])
    for example in range(2):
        mean, C, sum_of_errors = np.zeros(2), np.eye(2), 0.0
        for t in range(20):
            mean, C = A @ mean, A @ C @ A.T + np.eye(2)
            S, e = H @ C @ H.T + 1, y[example, t] - H @ mean
            K = C @ H.T / S
            mean, C, sum_of_errors = mean + K @ e, C - K @ S @ K.T, sum_of_errors + e[0]
            np.testing.assert_allclose(means[example, t], mean, atol=1e-5)
            np.testing.assert_allclose(covariances[example, t], C, atol=1e-5)
        np.testing.assert_allclose(total[example], sum_of_errors, atol=1e-5)


def graph_of(perm: list[int], is_kept: bool) -> ir.Graph:
    x, w, turned, y = (ir.Value(name=name) for name in ("x", "w", "turned", "y"))
    turn = ir.Node("", "Transpose", [w], [ir.AttrInt64s("perm", perm)], outputs=[turned])
    product = ir.Node("", "Gemm", [x, turned], [ir.AttrInt64("transB", 1)], outputs=[y])
    return ir.Graph([x, w], [y, turned] if is_kept else [y], nodes=[turn, product])


def test_a_matrix_is_turned_over_by_the_product() -> None:
    graph = graph_of([1, 0], is_kept=False)
    turn_operands(graph)
    (product,) = graph
    assert [value.name for value in product.inputs if value is not None] == ["x", "w"]
    assert product.attributes.get_int("transB") == 0


def test_what_is_read_elsewhere_stays() -> None:
    graph = graph_of([1, 0], is_kept=True)
    turn_operands(graph)
    assert [node.op_type for node in graph] == ["Transpose", "Gemm"]
    assert graph.outputs[1].producer() is graph[0]


def test_what_exchanges_nothing_stays() -> None:
    graph = graph_of([0, 1], is_kept=False)
    turn_operands(graph)
    assert [node.op_type for node in graph] == ["Transpose", "Gemm"]
