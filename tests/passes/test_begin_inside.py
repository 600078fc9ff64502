"""What a multistep method begins with stands in the first turn of its loop, where convolutions share weights with the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.verify import verify
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights

Maker = Callable[[str], Program]
TEXT = """
net v(x: [1, 4, 4], s: []) -> [1, 4, 4] { return (x |> conv(8, 3) |> silu |> conv(1, 3)) + s }
export f(x: [1, 4, 4], steps: int = 5) -> [1, 4, 4] {
  after = tanh(x)
  integrate s in 0..1 using METHOD(steps) { dx/ds = v(x, s) }
  return x + after
}
"""


@pytest.mark.parametrize("method", ["ab2", "ab3"])
def test_the_first_turn_computes_what_stood_before_the_loop(program: Maker, method: str) -> None:
    spec = program(TEXT.replace("METHOD", method))
    weights, _ = load_weights(spec, None)
    plain = forms.prepare(spec.exports["f"])
    quick = forms.optimise(plain)
    verify(quick, "optimise")
    assert sum(n.op.name == "conv" for n in plain.nodes) == 4 and not any(n.op.name == "conv" for n in quick.nodes)
    x = np.random.default_rng(0).normal(size=(3, 1, 4, 4))
    for steps in (1, 2, 5):
        wanted, result = (evaluate(g, {"x": x}, {"steps": steps}, weights)[0] for g in (plain, quick))
        np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["ab2", "ab3"])
def test_a_file_has_the_weights_of_convolutions_in_the_loop_alone(program: Maker, tmp_path: Path, method: str) -> None:
    spec = program(TEXT.replace("METHOD", method))
    weights, _ = load_weights(spec, None)
    model = onnx.load(export(spec, "f", Trained(weights), tmp_path).path)
    body = _body(model.graph)
    own = {t.name for t in body.initializer}
    convolutions = [n for n in body.node if n.op_type == "Conv"]
    assert len(convolutions) == 2 and all(n.input[1] in own for n in convolutions)
    (node,) = [n for n in body.node if n.op_type == "If"]
    assert [sum(n.op_type == "Conv" for n in a.g.node) for a in node.attribute] == [4, 0]


def test_without_convolutions_it_stays_before_the_loop(program: Maker) -> None:
    text = (
        TEXT.replace("METHOD", "ab3").replace("|> conv(8, 3)", "|> linear(8)").replace("|> conv(1, 3)", "|> linear(4)")
    )
    quick = forms.optimise(forms.prepare(program(text).exports["f"]))
    (loop,) = [n for n in quick.nodes if n.op is Loop]
    assert not any(n.op.name == "where" for n in loop.regions[0].nodes)


def _body(graph: onnx.GraphProto) -> onnx.GraphProto:
    """The body of the loop, wherever it stands."""
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Loop":
                return attribute.g
            if attribute.HasField("g"):
                return _body(attribute.g)
    raise AssertionError("there is no loop")
