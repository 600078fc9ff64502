"""`--cpu`: products with large weights as convolutions of one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import Exported, export, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

WINDOWS = CompileOptions(cpu=True)
# A text: products with large weights, one with a bias, and one with the table of its tokens.
TEXT = """
const vocab = 514
net logits(x: tokens[P]) -> [P, vocab] {
  param token: [vocab, 256] ~ normal(0, 1)
  h = token[x]
  h += attention(h, 2, causal = true)
  h += linear(gelu(linear(h, 512)), 256, bias = false)
  return affine(h, token)
}
export generate(prompt: tokens[P], count: int = 6) -> tokens[P + count] {
  x = prompt
  extend x by count { append argmax(logits(x)[-1]) }
  return x
}
"""
ROWS = """
layer f(x: [k]) { return linear(x, 512) }
net g(x: [512]) -> [512] { return f(tanh(f(x))) }
export one(x: [512]) -> [512] { return g(x) }
"""


def operators(written: Exported) -> Counter[str]:
    """How often a file has each operator."""
    return Counter(node.op_type for node in ir.load(written.path).graph.all_nodes())


def test_a_text_of_windows_is_the_same(program: Callable[[str], Program], tmp_path: Path) -> None:
    text = program(TEXT)
    trained = Trained(load_weights(text, None)[0])
    whole, plain = (
        export(text, "generate", trained, tmp_path / name, options)
        for name, options in (("windows", WINDOWS), ("plain", CompileOptions()))
    )
    step = export_step(text, "generate", trained, tmp_path / "windows", WINDOWS)
    assert step is not None
    assert operators(whole)["Conv"] == operators(step)["Conv"] == 3
    assert whole.size < 1.05 * plain.size  # The table is stored once.
    prompt = np.array([[3, 511, 7, 0], [9, 9, 100, 1]])
    texts = load(plain.path, providers="cpu")(prompt=prompt)
    np.testing.assert_array_equal(load(whole.path, providers="cpu")(prompt=prompt), texts)
    tokens = np.stack(list(load(step.path, providers="cpu").stream(prompt)), 1)
    np.testing.assert_array_equal(tokens, texts[:, 4:])


@pytest.mark.parametrize("examples", [1, 33])
def test_rows_are_places(program: Callable[[str], Program], tmp_path: Path, examples: int) -> None:
    net = program(ROWS)
    weights = load_weights(net, None)[0]
    written = export(net, "one", Trained(weights), tmp_path, WINDOWS)
    assert operators(written)["Conv"] == 2 and not written.notes
    x = np.random.default_rng(0).normal(0, 1, (examples, 512)).astype(np.float32)
    y, first, second = x.astype(float), *(f"g.f_{place}.linear_1" for place in (1, 2))
    wanted = np.tanh(y @ weights[f"{first}.weight"].T + weights[f"{first}.bias"])
    wanted = wanted @ weights[f"{second}.weight"].T + weights[f"{second}.bias"]
    np.testing.assert_allclose(load(written.path, providers="cpu")(x=x), wanted, atol=1e-5)


def test_where_no_weight_is_large_that_is_said(program: Callable[[str], Program], tmp_path: Path) -> None:
    net = program(ROWS.replace("512", "128"))
    written = export(net, "one", Trained(load_weights(net, None)[0]), tmp_path, WINDOWS)
    assert written.notes == ("`--cpu` changed nothing in `one`: none of its weights is large enough",)
