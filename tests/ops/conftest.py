"""One graph run three ways: by numpy in double precision, by torch and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.sizes import evaluate as size_of
from mai.compiler.onnx.lowering.build import build
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.runtime.arrays import Array

Agree = Callable[..., Array]


def run_onnx(graph: Graph, feed: dict[str, Array], opset: int) -> Array:
    raw = ir.serde.serialize_model(build(graph, {}, CompileOptions(opset=opset)))
    onnx.checker.check_model(raw, full_check=True)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(raw.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    made: Array = session.run(None, {n: a for n, a in feed.items() if n in names})[0]
    return made


def run_torch(graph: Graph, feed: dict[str, Array]) -> Array:
    names = [*(v.name for v in graph.inputs), *graph.settings]
    with torch.no_grad():
        made = lower(graph, Weights({}))(*[torch.from_numpy(feed[name]) for name in names])
    output: Array = made[0].numpy()
    return output


@pytest.fixture
def agree() -> Agree:
    """Check that a graph with one output means the same everywhere and has the shape its type says; that output."""

    def check(
        graph: Graph, feed: dict[str, Array], sizes: dict[str, int], settings: dict[str, int] | None = None
    ) -> Array:
        def known(size: Size) -> int:
            return int(size_of(size, sizes))

        given = {**feed, **{name: np.asarray(value) for name, value in (settings or {}).items()}}
        (wanted,) = evaluate(graph, feed, settings, {})
        assert wanted.shape == tuple(known(s) for s in graph.outputs[0].type.physical)
        made = {"torch": run_torch(graph, given)} | {f"opset {o}": run_onnx(graph, given, o) for o in (21, 23)}
        for name, ours in made.items():
            assert ours.shape == wanted.shape, name
            exact = wanted.dtype.kind != "f"
            np.testing.assert_allclose(ours, wanted, *((0, 0) if exact else (2e-5, 2e-5)), err_msg=name)
        return wanted

    return check
