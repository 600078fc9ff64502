"""Choices on one condition are one `If`, where that makes no circle."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

TEXT = """
layer own(x: [3]) -> [3] { return tanh(linear(x, 3)) }
net a(x: [3]) -> [3] { return own(x) }
net b(x: [3]) -> [3] { return own(x) }
net c(x: [3]) -> [3] { return own(x) }
net d(x: [3]) -> [3] { return own(x) }
export f(x: [3], k: int = 1, m: int = 1) -> [3] {
  p = where(k > 1, a(x), x)
  q = where(m > 1, b(FIRST), x)
  r = where(m > 1, c(2 * x), x)
  s = where(k > 1, d(SECOND), x)
  return q + s + p * r
}
"""


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [("x", "x", 2), ("p", "x", 2), ("p", "p", 3), ("p", "r", 3)],
    ids=["apart", "one of the other", "of one condition", "each of the other"],
)
def test_choices_are_joined_where_they_can_be(
    first: str, second: str, count: int, program: Callable[[str], Program], tmp_path: Path
) -> None:
    spec = program(TEXT.replace("FIRST", first).replace("SECOND", second))
    weights, _ = load_weights(spec, None)
    path = export(spec, "f", Trained(weights), tmp_path).path
    assert sum(node.op_type == "If" for node in onnx.load(path).graph.node) == count
    model, x = load(path, providers="cpu"), np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    for k, m in itertools.product((1, 2), (1, 2)):
        (wanted,) = evaluate(forms.prepare(spec.exports["f"]), {"x": x}, {"k": k, "m": m}, weights)
        np.testing.assert_allclose(model(x=x, k=k, m=m), wanted, atol=1e-5)
