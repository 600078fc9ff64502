"""What a spec calls its settings and dimensions decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.onnx.layout.chunks import parts
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.text.tokenizer import BYTES

Maker = Callable[[str], Program]

TEXT = """const vocab = 256
net logits(x: tokens[P]) -> [P, vocab] { return x |> embed(vocab, 8) |> linear(vocab) }
export generate(prompt: tokens[length_new], turn_heat: real = 1.0, count: int = 8) -> tokens[length_new + count] {
  x = prompt
  extend x by count { next ~ categorical(9 * logits(x)[-1] / turn_heat)
    append next }
  return x
}
"""


def test_a_setting_called_turn_is_not_the_turn(program: Maker, tmp_path: Path) -> None:
    """A streamed text hands the number of its turn to the file: to the compiler's own setting, whatever others are called."""
    spec = program(TEXT)
    weights, _ = load_weights(spec, None)
    step = load(export_step(spec, "generate", Trained(weights, tokenizer=BYTES), tmp_path).path, providers="cpu")
    assert step.manifest.step is not None and step.manifest.step.turn == "turn"
    model = load(export(spec, "generate", Trained(weights, tokenizer=BYTES), tmp_path).path, providers="cpu")
    whole = model(prompt=np.array([[72, 105]]), seed=2, turn_heat=0.5)
    streamed = "".join(model.stream("Hi", seed=2, turn_heat=0.5))
    assert model.tokenizer.decode(whole[0, 2:]) == streamed


def test_a_dimension_called_batches_is_not_the_batch(program: Maker) -> None:
    graph = forms.prepare(program("export f(x: [batches]) -> [batches] { return x + range(batches) }\n").exports["f"])
    shared, _, numbers = parts(graph)
    assert not numbers and any(node.op.name == "iota" for node in shared)
