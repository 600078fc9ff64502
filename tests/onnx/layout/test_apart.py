"""A layer norm of a sum is two kernels of the runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx_ir as ir
import onnxruntime as ort

from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.passes.forms import optimise, prepare
from mai.compiler.program import Program

SPEC = """
export once(x: [4, 8], y: [4, 8]) -> [4, 8] { return layer_norm(x + y) }
export twice(x: [4, 8], y: [4, 8]) -> [4, 8] {
  h = x + y
  return h + layer_norm(h)
}
"""


def operators(raw: bytes, tmp_path: Path) -> Counter[str]:
    """What the runtime makes of a model."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(raw, options, ["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def test_a_sum_that_only_a_norm_reads_is_not_fused(program: Callable[[str], Program], tmp_path: Path) -> None:
    spec = program(SPEC)
    weights = {name: [1.0] * 8 for name in spec.weights}
    once, twice = (build(optimise(prepare(spec.exports[e])), weights) for e in ("once", "twice"))
    assert operators(serialised(once), tmp_path)["LayerNormalization"] == 1
    assert Counter(node.op_type for node in twice.graph)["Sum"] == 0


def test_the_runtime_would_have_fused_it(program: Callable[[str], Program], tmp_path: Path) -> None:
    """Where this fails the runtime has changed, and the pass may go."""
    spec = program(SPEC)
    model = build(optimise(prepare(spec.exports["once"])), {name: [1.0] * 8 for name in spec.weights})
    for node in model.graph:
        node.op_type = "Add" if node.op_type == "Sum" else node.op_type
    raw = ir.serde.serialize_model(model).SerializeToString()
    assert operators(raw, tmp_path)["SkipLayerNormalization"] == 1
