"""Weights in few bits: the error of a block, what is stored, what the gate says, and that texts still come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from mai.compiler import few_bits
from mai.compiler.compile_options import BITS, CompileOptions, Trained
from mai.compiler.file_size import BLOCK, suits
from mai.compiler.onnx.export import export, export_step
from mai.compiler.onnx.lowering import build
from mai.compiler.onnx.precision import quantize
from mai.compiler.onnx.precision.quantize import pairs, quantized
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.unseen.evaluation import loss_changes
from mai.runtime import load
from mai.runtime.model.session import session_options
from mai.spec.diagnostics import MaiError

Maker = Callable[..., Program]

SPEC = """const vocab = 256
const d = 64
data x: tokens[17] from text(tokenizer = bytes)
net logits(x: tokens[P]) -> [P, vocab] {
  param token: [vocab, d] ~ normal(0, 1)
  h = token[x]
  h += attention(layer_norm(h), 4, causal = true, rotary = rope())
  h += mlp(layer_norm(h), 128)
  return affine(layer_norm(h), token)
}
train(steps = 2, batch = 4, optimizer = adam(lr = 1e-3)) { minimize mean(cross_entropy(logits(x[:-1]), x[1:])) }
export predict(x: tokens[P]) -> [P, vocab] { return logits(x) }
export generate(prompt: tokens[P], count: int = 8, temperature: real = 0.0) -> tokens[P + count] {
  x = prompt
  extend x by count { next ~ categorical(logits(x)[-1] / temperature)
    append next }
  return x
}
"""

UNEQUAL = """net wide(x: [64]) -> [96] { return linear(x, 96) }
net narrow(x: [64]) -> [97] { return linear(x, 97, bias = false) }
net twice(x: [64]) -> [64] {
  param w: [64, 64] ~ normal(0, 1)
  return affine(affine(x, w), w)
}
export f(x: [64]) -> ([96], [97], [64]) { return (wide(x), narrow(x), twice(x)) }
"""


def weights(program: Program) -> dict[str, Any]:
    return {name: first_value(w, 1) for name, w in program.weights.items()}


@pytest.mark.parametrize("bits", [4, 8])
def test_a_block_is_within_half_a_step(bits: int) -> None:
    matrix = np.random.default_rng(0).normal(0, 1, (40, 96)).astype(np.float32)
    matrix[3] = 0
    blocks = quantized(matrix, bits)
    half = 1 << (bits - 1)
    assert blocks.codes.min() >= -half
    assert blocks.codes.max() <= half - 1
    step = np.repeat(np.abs(blocks.scales), BLOCK, 1)
    error = np.abs(blocks.dequantized() - matrix)
    assert (error <= step * (1 + 1e-5)).all()
    assert np.median(error / step) < 0.3
    largest = np.abs(matrix.reshape(40, -1, BLOCK)).max(-1)
    np.testing.assert_allclose(np.abs(blocks.dequantized()).reshape(40, -1, BLOCK).max(-1), largest, rtol=1e-6)
    assert not blocks.dequantized()[3].any()


def test_a_matrix_is_the_same_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = np.random.default_rng(0).normal(0, 1, (37, 64)).astype(np.float32)
    whole = quantized(matrix, 4)
    monkeypatch.setattr(quantize, "AT_A_TIME", 640)
    parts = quantized(matrix, 4)
    np.testing.assert_array_equal(parts.codes, whole.codes)
    np.testing.assert_array_equal(parts.scales, whole.scales)


def test_two_numbers_in_a_byte() -> None:
    codes = np.array([[-8, 7], [0, -1]], np.int8)
    packed = pairs(codes)
    assert packed.tolist() == [0x78, 0xF0]


def test_what_is_left_whole() -> None:
    assert suits((256, 64))
    assert not suits((256, 65))
    assert not suits((8, 64))
    assert not suits((4096,))


@pytest.mark.slow
@pytest.mark.parametrize("opset", [21, 23])
@pytest.mark.parametrize(("kind", "tolerance"), [("int8", 0.02), ("int4", 0.2)])
def test_a_text_in_few_bits(program: Maker, tmp_path: Path, kind: Any, tolerance: float, opset: int) -> None:
    spec, quantize = program(SPEC), kind
    whole = load(
        export(spec, "predict", Trained(weights(spec)), tmp_path / "whole", CompileOptions(opset=opset)).path,
        providers="cpu",
    )
    path = export(
        spec, "predict", Trained(weights(spec)), tmp_path, CompileOptions(opset=opset, quantize=quantize)
    ).path
    few = load(path, providers="cpu")
    assert few.manifest.quantize == kind
    tokens = np.random.default_rng(1).integers(0, 256, (2, 12))
    a, b = whole(x=tokens), few(x=tokens)
    assert 0 < np.abs(a - b).max() / np.abs(a).max() < tolerance
    assert {o.domain for o in onnx.load(path).opset_import} == {""}
    assert path.stat().st_size < whole.path.stat().st_size * (0.5 if kind == "int8" else 0.4)

    text = load(
        export(spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(opset=opset, quantize=quantize)).path,
        providers="cpu",
    )
    export_step(spec, "generate", Trained(weights(spec)), tmp_path, CompileOptions(opset=opset, quantize=quantize))
    grown = text(prompt=tokens)
    np.testing.assert_array_equal(np.stack(list(text.stream(tokens)), 1), grown[:, 12:])


def test_a_tied_weight_is_stored_once(program: Maker, tmp_path: Path) -> None:
    spec = program(SPEC)
    path = export(spec, "generate", Trained(weights(spec)), tmp_path).path
    tables = [t for t in _initializers(onnx.load(path).graph) if sorted(t.dims) == [64, 256] and "token" in t.name]
    assert len(tables) == 1


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_a_tied_weight_in_few_bits_is_stored_once(program: Maker, tmp_path: Path, kind: Any) -> None:
    """The head reads it in the form that the runtime has a kernel for; a row is a column of it."""
    spec, parameters = program(SPEC), weights(program(SPEC))
    for name in ("predict", "generate"):
        path = export(spec, name, Trained(parameters), tmp_path, CompileOptions(quantize=kind)).path
        stored = [t for t in _initializers(onnx.load(path).graph) if "token" in t.name and 256 in t.dims]
        assert sorted(list(t.dims) for t in stored) == [[2, 256], [64, 256]]
        assert _products(path, tmp_path) == 5  # Queries, keys and values are one.
    table = quantized(parameters["logits.token"], BITS[kind]).dequantized().astype(np.float32)
    of_rows = "net logits(x: tokens[P]) -> [P, vocab] {\n  param token: [vocab, d] ~ normal(0, 1)\n"
    both = program(
        "const vocab = 256\nconst d = 64\n" + of_rows + "  return affine(token[x], token)\n}\n"
        "export f(x: tokens[P]) -> [P, vocab] { return logits(x) }\n"
    )
    tokens = np.array([[0, 3, 255], [7, 7, 1]])
    path = export(
        both, "f", Trained({"logits.token": parameters["logits.token"]}), tmp_path, CompileOptions(quantize=kind)
    ).path
    wanted = table[tokens] @ table.T
    assert np.abs(load(path, providers="cpu")(x=tokens) - wanted).max() < 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_products_of_one_input_are_one_and_their_numbers_the_same(
    program: Maker, tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = program(UNEQUAL)
    tokens = {"x": np.random.default_rng(1).normal(0, 1, (5, 64)).astype(np.float32)}
    options = CompileOptions(quantize=kind)
    joined = export(spec, "f", Trained(weights(spec)), tmp_path, options).path
    monkeypatch.setattr(build, "join_products", lambda graph: None)
    apart = export(spec, "f", Trained(weights(spec)), tmp_path / "apart", options).path
    assert [sum(n.op_type == "MatMul" for n in onnx.load(path).graph.node) for path in (joined, apart)] == [3, 4]
    for a, b in zip(load(joined, providers="cpu")(**tokens), load(apart, providers="cpu")(**tokens), strict=True):
        np.testing.assert_array_equal(a, b)


def _products(path: Path, folder: Path) -> int:
    """How many products the runtime makes by its kernel for few bits."""
    options = session_options()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return sum(node.op_type == "MatMulNBits" for node in _nodes(onnx.load(folder / "optimised.onnx").graph))


def _nodes(graph: Any) -> list[Any]:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*graph.node, *(n for g in inner for n in _nodes(g))]


def _initializers(graph: Any) -> list[Any]:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*graph.initializer, *(t for g in inner for t in _initializers(g))]


def test_the_loss_is_measured(program: Maker) -> None:
    spec = program(SPEC)
    parameters = weights(spec)
    (eight,), (four,) = (
        loss_changes(Preparations(spec, CompileOptions(quantize=k)), Trained(parameters)) for k in ("int8", "int4")
    )
    assert eight.before == pytest.approx(four.before)
    assert abs(eight.relative) < abs(four.relative) < 0.2
    untrained = program("export f(x: [2]) -> [2] { return x }\n")
    assert loss_changes(Preparations(untrained, CompileOptions(quantize="int4")), Trained({})) == []


SEVERAL = """
net f(x: [64]) -> [64] { return linear(tanh(linear(x, 64)), 64) }
net g(x: [64]) -> [64] { return linear(tanh(linear(x, 64)), 64) }
train first(steps = 1) {
  x ~ normal([64])
  minimize sum((f(x) - x)^2)
}
train second(steps = 1) {
  x ~ normal([64])
  minimize sum((g(f(x)) - 2 * x)^2)
}
export h(x: [64]) -> [64] { return g(f(x)) }
"""


def test_the_loss_of_every_train_block_is_measured(
    program: Maker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by its name, each within the limit; the file's manifest has the largest."""
    spec = program(SEVERAL)
    exports, trained = Preparations(spec, CompileOptions(quantize="int4")), Trained(weights(spec))
    first, second = loss_changes(exports, trained)
    assert (first.block, second.block) == ("first", "second")
    assert first.before != second.before and first.after != first.before
    assert few_bits.measured(exports, trained).loss_change == max(first.relative, second.relative)
    notes = capsys.readouterr().err
    assert "the loss of `first`" in notes and "the loss of `second`" in notes
    for worse in (0, 1):
        changes = [first, second]
        changes[worse] = replace(changes[worse], after=2 * changes[worse].before)
        monkeypatch.setattr(few_bits, "loss_changes", lambda *_, losses=tuple(changes): list(losses))
        with pytest.raises(MaiError) as refused:
            few_bits.measured(exports, trained)
        assert f"`{changes[worse].block}`" in refused.value.diagnostics[0].message


@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_a_weight_of_a_loop_and_of_what_is_before_it(
    kind: str, program: Callable[[str], Program], tmp_path: Path
) -> None:
    """A method of several steps computes the velocity before its loop, too: the file opens, and computes the same."""
    text = (
        "net f(x: [64]) -> [64] { return linear(tanh(linear(x, 64)), 64) }\n"
        "export g(x: [64], steps: int = 4) -> [64] {\n"
        "  integrate s in 0..1 using ab2(steps) { dx/ds = f(x) }\n  return x\n}\n"
    )
    spec = program(text)
    arrays, _ = load_weights(spec, None, 0)
    x = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    whole = load(export(spec, "g", Trained(arrays), tmp_path).path, providers="cpu")(x=x)
    few = load(export(spec, "g", Trained(arrays), tmp_path, CompileOptions(quantize=kind)).path, providers="cpu")(x=x)
    np.testing.assert_allclose(few, whole, atol=0.02 * 8 ** (kind == "int4") * np.abs(whole).max())
