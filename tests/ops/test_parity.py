"""Every operation: numpy in double precision = torch = ONNX Runtime, with and without lead axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.operation import OPERATIONS, Operation
from mai.compiler.ir.types import real
from mai.runtime.arrays import Array
from tests.support.cases.operation_cases import CASES, SIZES, feed_of, graph_of, lead_choices


@pytest.mark.parametrize(("name", "number"), CASES)
def test_numpy_torch_and_onnx_agree(name: str, number: int, agree_on_all: Callable[..., list[Array]]) -> None:
    op = OPERATIONS[name]
    case = op.cases[number]
    choices = lead_choices(op, number)
    agree_on_all(graph_of(op, case, *choices), feed_of(case, 7, *choices), SIZES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), CASES)
def test_equal_nodes_compute_the_same_at_both_opsets(
    name: str, number: int, agree_on_all: Callable[..., list[Array]]
) -> None:
    """Where a file of the lower opset has the same nodes, ONNX Runtime may still have other code for them."""
    op = OPERATIONS[name]
    case = op.cases[number]
    leads = lead_choices(op, number)[-1]
    agree_on_all(graph_of(op, case, leads), feed_of(case, 7, leads), SIZES, same=True)


@pytest.mark.parametrize(("name", "number"), [c for c in CASES if not c[0].startswith("random")])
def test_a_batch_is_its_examples(name: str, number: int) -> None:
    """Whatever lead axes the inputs have, every example is computed as if it were alone."""
    op = OPERATIONS[name]
    case = op.cases[number]
    alone = graph_of(op, case, tuple(() for _ in case.inputs))
    for leads in lead_choices(op, number):
        graph, feed = graph_of(op, case, leads), feed_of(case, 8, leads)
        (whole,) = evaluate(graph, feed, {}, {})
        lead = graph.outputs[0].type.lead
        for place in np.ndindex(*(SIZES[a.name] for a in lead)):
            at = dict(zip(lead, place, strict=True))
            one = {f"x{i}": feed[f"x{i}"][tuple(at[a] for a in own)] for i, own in enumerate(leads)}
            (row,) = evaluate(alone, {**one, "clock": feed["clock"]}, {}, {})
            np.testing.assert_allclose(whole[place], row, rtol=1e-12, atol=1e-12, err_msg=str(leads))


def test_vectors_of_a_spectrum_are_at_right_angles_to_the_last_digit(
    engines_of: Callable[[Graph], dict[str, Callable[[dict[str, Array]], list[Array]]]],
) -> None:
    """In a file they are turned round after round, in single precision, and the roundings of all rounds are taken out."""
    x = Value(real(16, 16), "x")
    graph = Graph(name="f", inputs=[x], output_names=["y"])
    graph.outputs = [Builder(graph).emit(OPERATIONS["spectrum"], x)]
    a = np.random.default_rng(0).standard_normal((16, 16)).astype(np.float32)
    for engine, run in engines_of(graph).items():
        vectors = run({"x": a + a.T})[0][:16].astype(np.float64)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(16), atol=6e-7, err_msg=engine)


def test_an_operation_without_a_field_fails_at_import() -> None:
    with pytest.raises(TypeError, match="lacks"):

        class Half(Operation):
            """Without lowerings."""
