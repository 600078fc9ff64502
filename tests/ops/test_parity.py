"""Every operation: numpy in double precision = torch = ONNX Runtime, with and without lead axes."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

import mai.compiler.ops
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis
from mai.compiler.onnx.build import build
from mai.compiler.ops.base import OPERATIONS, Case, Operation, Sample
from mai.compiler.torch.module import lower
from mai.compiler.torch.weights import Weights

for _module in pkgutil.iter_modules(mai.compiler.ops.__path__):
    importlib.import_module(f"mai.compiler.ops.{_module.name}")

BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
TOKEN = Axis("m1", 2, 1)
LEADS: dict[str, tuple[Axis, ...]] = {"none": (), "batch": (BATCH,), "both": (BATCH, TOKEN), "token": (TOKEN,)}
SIZES = {"batch": 3, "m1": 2}
CASES = [(name, i) for name, op in sorted(OPERATIONS.items()) for i in range(len(op.cases))]


def draw(sample: Sample, lead: tuple[Axis, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = tuple(SIZES[a.name] for a in lead) + sample.shape
    match sample.kind:
        case "positive":
            return rng.uniform(0.5, 2.0, shape).astype(np.float32)
        case "int":
            return np.asarray(rng.integers(0, sample.high, shape))
        case "natural":
            return rng.integers(1, 10, shape)
        case "bool":
            return np.asarray(rng.random(shape) < 0.5)
    return np.asarray(rng.standard_normal(shape), np.float32)


def graph_of(op: type[Operation], case: Case, leads: tuple[tuple[Axis, ...], ...]) -> Graph:
    """A graph that applies one operation to its inputs, and reads the batch off a further input."""
    graph = Graph(name="case")
    for place, (sample, lead) in enumerate(zip(case.inputs, leads, strict=True)):
        assert sample is not None
        graph.inputs.append(Value(sample.type.with_lead(lead), f"x{place}"))
    clock = Value(graph_type(), "clock")
    graph.inputs.append(clock)
    graph.sizes["batch"] = (clock, 0)
    builder = Builder(graph)
    graph.outputs = [builder.emit(op, *graph.inputs[:-1], **case.attributes)]
    graph.output_names = ["y"]
    return graph


def graph_type() -> Any:
    from mai.compiler.ir.types import real

    return real().with_lead((BATCH,))


def run_onnx(graph: Graph, feed: dict[str, Any], opset: int) -> np.ndarray[Any, Any]:
    raw = ir.serde.serialize_model(build(graph, {}, opset=opset))
    onnx.checker.check_model(raw, full_check=True)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(raw.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}
    made: np.ndarray[Any, Any] = session.run(None, {n: a for n, a in feed.items() if n in names})[0]
    return made


def lead_choices(op: type[Operation], case: Case) -> list[tuple[tuple[Axis, ...], ...]]:
    """No lead axes, the same on all inputs, and every mixture, for the inputs that may have them."""
    free = [place not in op.unled and s is not None and s.lead for place, s in enumerate(case.inputs)]
    options = [list(LEADS.values()) if f else [()] for f in free]
    return list(itertools.product(*options)) if sum(free) <= 2 else [tuple(o[i % len(o)] for o in options) for i in range(4)]


@pytest.mark.parametrize(("name", "number"), CASES)
def test_numpy_torch_and_onnx_agree(name: str, number: int) -> None:
    op = OPERATIONS[name]
    case = op.cases[number]
    rng = np.random.default_rng(7)
    for leads in lead_choices(op, case):
        graph = graph_of(op, case, leads)
        feed = {f"x{i}": draw(s, lead, rng) for i, (s, lead) in enumerate(zip(case.inputs, leads, strict=True)) if s}
        feed["clock"] = np.zeros(SIZES["batch"], np.float32)
        (wanted,) = evaluate(graph, feed, {}, {})
        shape = tuple(SIZES["batch"] if not isinstance(s, int) else s for s in graph.outputs[0].type.physical)
        assert wanted.shape == shape
        with torch.no_grad():
            (made,) = lower(graph, Weights({}))(*[torch.from_numpy(feed[v.name]) for v in graph.inputs])
        assert made.shape == shape
        np.testing.assert_allclose(made.numpy(), wanted, rtol=2e-5, atol=2e-5, err_msg=f"torch {leads}")
        for opset in (21, 23):
            ours = run_onnx(graph, feed, opset)
            np.testing.assert_allclose(ours, wanted, rtol=2e-5, atol=2e-5, err_msg=f"onnx {opset} {leads}")


@pytest.mark.parametrize(("name", "number"), [c for c in CASES if not c[0].startswith("random")])
def test_a_batch_is_its_examples(name: str, number: int) -> None:
    """With lead axes on all inputs that may have them, every example is computed as if it were alone."""
    op = OPERATIONS[name]
    case = op.cases[number]
    rng = np.random.default_rng(8)
    free = [place not in op.unled and s is not None and s.lead for place, s in enumerate(case.inputs)]
    if not any(free):
        pytest.skip("no input has lead axes")
    leads = tuple((BATCH,) if f else () for f in free)
    feed = {f"x{i}": draw(s, lead, rng) for i, (s, lead) in enumerate(zip(case.inputs, leads, strict=True)) if s}
    clock = {"clock": np.zeros(SIZES["batch"])}
    (whole,) = evaluate(graph_of(op, case, leads), {**feed, **clock}, {}, {})
    alone = graph_of(op, case, tuple(() for _ in leads))
    for i in range(SIZES["batch"]):
        one = {n: a[i] if free[int(n[1:])] else a for n, a in feed.items()}
        (row,) = evaluate(alone, {**one, **clock}, {}, {})
        np.testing.assert_allclose(whole[i], row, rtol=1e-12, atol=1e-12)


def test_an_operation_without_a_field_fails_at_import() -> None:
    with pytest.raises(TypeError, match="lacks"):

        class Half(Operation):
            """Without lowerings."""
