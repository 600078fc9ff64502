"""One graph run three ways: by numpy in double precision, by torch and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.sizes import evaluate as size_of
from mai.compiler.onnx.lowering.build import build
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.runtime.arrays import Array

Agree = Callable[..., Array]
LOWER, HIGHER = 21, 23  # The opsets that files are written for.


def built_at(graph: Graph, opset: int) -> ir.Model:
    return build(graph, {}, CompileOptions(opset=opset))


def has_new_operators(model: ir.Model) -> bool:
    """Whether a model has operators that the lower opset lacks, so that it is made of others there."""
    return any(not onnx.defs.has(node.op_type, LOWER, "") for node in model.graph.all_nodes())


def run_onnx(built: ir.Model, feed: dict[str, Array]) -> list[Array]:
    """What ONNX Runtime gives for a model that ONNX's own checker passes."""
    model = ir.serde.serialize_model(built)
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    outputs: list[Array] = session.run(None, {n: a for n, a in feed.items() if n in names})
    return outputs


def run_opsets(graph: Graph, feed: dict[str, Array], same: bool) -> dict[str, list[Array]]:
    """What ONNX Runtime gives, by opset; of the lower one only where its nodes are others, or with `same`."""
    models = {HIGHER: built_at(graph, HIGHER)}
    if same or has_new_operators(models[HIGHER]):
        models[LOWER] = built_at(graph, LOWER)
    return {f"opset {opset}": run_onnx(model, feed) for opset, model in models.items()}


def run_torch(graph: Graph, feed: dict[str, Array]) -> list[Array]:
    names = [*(v.name for v in graph.inputs), *graph.settings]
    with torch.no_grad():
        outputs = lower(graph, Weights({}))(*[torch.from_numpy(feed[name]) for name in names])
    return [output.numpy() for output in outputs]


@pytest.fixture
def agree_on_all() -> Callable[..., list[Array]]:
    """Check that a graph means the same everywhere and that its outputs have the shapes of their types; the outputs."""

    def check(
        graph: Graph,
        feed: dict[str, Array],
        sizes: dict[str, int],
        settings: dict[str, int] | None = None,
        same: bool = False,
    ) -> list[Array]:
        arrays = {**feed, **{name: np.asarray(value) for name, value in (settings or {}).items()}}
        reference = evaluate(graph, feed, settings, {})
        engines = {"torch": run_torch(graph, arrays), **run_opsets(graph, arrays, same)}
        for place, (value, wanted) in enumerate(zip(graph.outputs, reference, strict=True)):
            assert wanted.shape == tuple(int(size_of(s, sizes)) for s in value.type.physical)
            tolerance = 2e-5 if wanted.dtype.kind == "f" else 0
            for engine, outputs in engines.items():
                where = f"{engine}, output {place}, lead axes {[a.name for a in value.type.lead]}"
                assert outputs[place].shape == wanted.shape, where
                np.testing.assert_allclose(outputs[place], wanted, tolerance, tolerance, err_msg=where)
        return reference

    return check


@pytest.fixture
def agree(agree_on_all: Callable[..., list[Array]]) -> Agree:
    """The same of a graph with one output; that output."""

    def check(*asked: Any, **settings: Any) -> Array:
        (output,) = agree_on_all(*asked, **settings)
        return output

    return check
