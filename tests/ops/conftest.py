"""One graph run three ways: by numpy in double precision, by torch and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
Engine = Callable[[dict[str, Array]], list[Array]]
LOWER, HIGHER = 21, 23  # The opsets that files are written for.


def built_at(graph: Graph, opset: int) -> ir.Model:
    return build(graph, {}, CompileOptions(opset=opset))


def has_new_operators(model: ir.Model) -> bool:
    """Whether a model has operators that the lower opset lacks, so that it is made of others there."""
    return any(not onnx.defs.has(node.op_type, LOWER, "") for node in model.graph.all_nodes())


def session_of(built: ir.Model) -> ort.InferenceSession:
    """A model that ONNX's own checker passes, as ONNX Runtime opens it."""
    model = ir.serde.serialize_model(built)
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run_onnx(session: ort.InferenceSession, feed: dict[str, Array]) -> list[Array]:
    names = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    outputs: list[Array] = session.run(None, {n: a for n, a in feed.items() if n in names})
    return outputs


def open_opsets(graph: Graph, same: bool) -> dict[str, Engine]:
    """ONNX Runtime by opset; the lower one only where its nodes are others, or with `same`."""
    models = {HIGHER: built_at(graph, HIGHER)}
    if same or has_new_operators(models[HIGHER]):
        models[LOWER] = built_at(graph, LOWER)
    return {f"opset {opset}": partial(run_onnx, session_of(model)) for opset, model in models.items()}


def run_torch(module: torch.nn.Module, names: list[str], feed: dict[str, Array]) -> list[Array]:
    with torch.no_grad():
        outputs = module(*[torch.from_numpy(feed[name]) for name in names])
    return [output.numpy() for output in outputs]


def open_engines(graph: Graph, same: bool = False) -> dict[str, Engine]:
    """What runs a graph beside numpy, by name: built once, for inputs of any sizes."""
    names = [*(v.name for v in graph.inputs), *graph.settings]
    return {"torch": partial(run_torch, lower(graph, Weights({})), names), **open_opsets(graph, same)}


@pytest.fixture
def engines_of() -> Callable[[Graph], dict[str, Engine]]:
    """What runs a graph beside numpy, for `agree` on several inputs."""
    return open_engines


@pytest.fixture
def agree_on_all() -> Callable[..., list[Array]]:
    """Check that a graph means the same everywhere and that its outputs have the shapes of their types; the outputs."""

    def check(
        graph: Graph,
        feed: dict[str, Array],
        sizes: dict[str, int],
        settings: dict[str, int] | None = None,
        same: bool = False,
        engines: dict[str, Engine] | None = None,
    ) -> list[Array]:
        arrays = {**feed, **{name: np.asarray(value) for name, value in (settings or {}).items()}}
        reference = evaluate(graph, feed, settings, {})
        results = {name: run(arrays) for name, run in (engines or open_engines(graph, same)).items()}
        for place, (value, wanted) in enumerate(zip(graph.outputs, reference, strict=True)):
            assert wanted.shape == tuple(int(size_of(s, sizes)) for s in value.type.physical)
            tolerance = 2e-5 if wanted.dtype.kind == "f" else 0
            for engine, outputs in results.items():
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
