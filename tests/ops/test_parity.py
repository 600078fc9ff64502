"""Every operation: numpy in double precision = torch = ONNX Runtime, with and without lead axes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.operation import OPERATIONS, Operation
from mai.runtime.arrays import Array
from tests.support.operation_cases import CASES, SIZES, feed_of, graph_of, lead_choices


@pytest.mark.parametrize(("name", "number"), CASES)
def test_numpy_torch_and_onnx_agree(name: str, number: int, agree: Callable[..., Array]) -> None:
    op = OPERATIONS[name]
    case = op.cases[number]
    for leads in lead_choices(op, case):
        agree(graph_of(op, case, leads), feed_of(case, leads, 7), SIZES)


@pytest.mark.parametrize(("name", "number"), [c for c in CASES if not c[0].startswith("random")])
def test_a_batch_is_its_examples(name: str, number: int) -> None:
    """Whatever lead axes the inputs have, every example is computed as if it were alone."""
    op = OPERATIONS[name]
    case = op.cases[number]
    alone = graph_of(op, case, tuple(() for _ in case.inputs))
    for leads in lead_choices(op, case):
        graph, feed = graph_of(op, case, leads), feed_of(case, leads, 8)
        (whole,) = evaluate(graph, feed, {}, {})
        lead = graph.outputs[0].type.lead
        for place in np.ndindex(*(SIZES[a.name] for a in lead)):
            at = dict(zip(lead, place, strict=True))
            one = {f"x{i}": feed[f"x{i}"][tuple(at[a] for a in own)] for i, own in enumerate(leads)}
            (row,) = evaluate(alone, {**one, "clock": feed["clock"]}, {}, {})
            np.testing.assert_allclose(whole[place], row, rtol=1e-12, atol=1e-12, err_msg=str(leads))


def test_an_operation_without_a_field_fails_at_import() -> None:
    with pytest.raises(TypeError, match="lacks"):

        class Half(Operation):
            """Without lowerings."""
