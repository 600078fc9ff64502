"""What a spec calls its settings and dimensions decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
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


@pytest.mark.parametrize("name", ["turn", "loop", "attention", "torch"])
def test_inputs_are_called_as_functions_of_the_code_are(name: str, program: Maker, tmp_path: Path) -> None:
    """And by the names that the code would give them for it: each stays what it was."""
    text = f"export f({name}: [2], {name}_1: [2], {name}_2: [2]) -> [2] {{ return {name} - 2 * {name}_1 + 4 * {name}_2 }}\n"
    model = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")
    numbers = {name: [[1.0, 1.0]], f"{name}_1": [[2.0, 2.0]], f"{name}_2": [[3.0, 3.0]]}
    np.testing.assert_array_equal(model(**numbers), [[9, 9]])


def test_a_dimension_called_batches_is_not_the_batch(program: Maker) -> None:
    graph = forms.prepare(program("export f(x: [batches]) -> [batches] { return x + range(batches) }\n").exports["f"])
    shared, _, numbers = parts(graph)
    assert not numbers and any(node.op.name == "iota" for node in shared)


def test_a_name_with_an_underscore_first_is_known_in_its_file_alone(program: Maker, tmp_path: Path) -> None:
    """Two files may have helpers of one name, and each calls its own; what is imported is the rest."""
    (tmp_path / "layers.mai").write_text(
        "layer _by(x: [2]) -> [2] { return 2 * x }\nlayer doubled(x: [2]) -> [2] { return _by(x) }\n", encoding="utf-8"
    )
    own = "layer _by(x: [2]) -> [2] { return 10 * x }\n"
    spec = 'import "layers.mai"\n%sexport f(x: [2]) -> [2] { return %s }\n'
    model = load(export(program(spec % (own, "doubled(x) + _by(x)")), "f", Trained({}), tmp_path).path, providers="cpu")
    np.testing.assert_array_equal(model(x=[[1.0, 2.0]]), [[12.0, 24.0]])
    path = tmp_path / "other.mai"
    path.write_text(spec % ("", "_by(x)"), encoding="utf-8")
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.slug == "unknown-function" and "in its file alone" in str(diagnostic.help)


def test_a_value_called_as_a_dimension_leaves_what_is_promised(program: Maker) -> None:
    """`-> [k, W]` is of the sizes of the arguments, also where the body has a weight W, or a number w."""
    text = """
layer windows(x: [k, H, W], n) -> [n, H, W] {
  let_ = W
  param W: [n, k, 3, 3] = ones
  return convolve(x, W, padding = 1) + 0 * let_
}
export f(x: [1, w, w]) -> [2, w, w] {
  w = sum(x)
  return windows(x, 2) + 0 * w
}
"""
    graph = program(text).exports["f"]
    assert [str(size) for size in graph.outputs[0].type.shape] == ["2", "w", "w"]


NET_CALLED_TRAIN = """data x: [2] from moons()
net train(x: [2]) -> [2] {
  state n: [] = 5
  return linear(x, 2) / n
}
net train_block(x: [2]) -> [2] { return linear(x, 2) }
train(steps = 3) {
  state n: [] = 0
  minimize n * sum((train(x) + train_block(x) + linear(x, 2) - x)^2)
  n = n + 1
}
"""


def test_a_net_called_train_has_no_number_of_the_train_block(program: Maker) -> None:
    """Its names begin with `train`, as those of the block's own numbers do where no net is called so."""
    weights = program(NET_CALLED_TRAIN).weights
    layers = {name.partition(".")[0] for name in weights if name.endswith(".linear_1.weight")}
    assert layers == {"train", "train_block", "train_block_block"}
    assert [weights[f"{owner}.n"].init.numbers for owner in ("train", "train_block_block")] == [(5,), (0,)]


def test_a_layer_called_train_changes_no_name(program: Maker) -> None:
    """A layer's numbers are called by the place of its call: the block's own begin with `train`, as always."""
    layer = "layer train(x: [2]) -> [2] { return linear(x, 2) }\n"
    block = "train(steps = 3) { minimize sum((train(x) + linear(x, 2) - x)^2) }\n"
    weights = program(f"data x: [2] from moons()\n{layer}{block}").weights
    assert {name.partition(".")[0] for name in weights} == {"train"} and len(weights) == 4
