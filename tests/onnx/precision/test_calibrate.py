"""Codes of few bits that are chosen by what products read: beside the closed form, and from the command's files to its messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mai.compiler import few_bits
from mai.compiler.compile_options import CompileOptions, OptionError, Trained
from mai.compiler.compiling import compile_all
from mai.compiler.file_size import BLOCK
from mai.compiler.onnx.export import Exported, export
from mai.compiler.onnx.precision import moments as moments_module
from mai.compiler.onnx.precision.gptq import DAMPING, calibrated_blocks
from mai.compiler.onnx.precision.moments import Moments
from mai.compiler.onnx.precision.quantize import quantized
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value
from mai.compiler.training.unseen.calibration import calibrate
from mai.compiler.training.unseen.evaluation import Change
from mai.compiler.training.unseen.widening import widened
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]

NET = """const vocab = 256
const d = 64
net logits(x: tokens[P]) -> [P, vocab] {
  param token: [vocab, d] ~ normal(0, 1)
  h = token[x]
  repeat 2 {
    h += attention(layer_norm(h), 4, causal = true, rotary = true)
    h += mlp(layer_norm(h), 128)
  }
  return linear(layer_norm(h), vocab)
}
export generate(prompt: tokens[P], count: int = 4) -> tokens[P + count] {
  x = prompt
  extend x by count { append argmax(logits(x)[-1]) }
  return x
}
"""
PREDICT = "export predict(x: tokens[P]) -> [P, vocab] { return logits(x) }\n"
TRAINED = (
    "data x: tokens[17] from text(tokenizer = bytes)\n"
    "train(steps = 2, batch = 4) { minimize mean(cross_entropy(logits(x[:-1]), x[1:])) }\n"
)


def correlated(rows: int, k: int) -> Array:
    """Moments of inputs that say much of each other."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (rows, 12)) @ rng.normal(0, 1, (12, k)) + 0.3 * rng.normal(0, 1, (rows, k))
    moments: Array = (x.T @ x).astype(np.float32)
    return moments


def cost(matrix: Array, blocks: Any, moments: Array) -> float:
    error = matrix - blocks.dequantized()
    return float(np.einsum("nj,jk,nk->", error, moments, error))


@pytest.mark.parametrize("bits", [4, 8])
def test_what_one_column_leaves_the_others_make_up_for_as_least_squares_say(bits: int) -> None:
    """Each column is rounded as the others' best real values, given those that are rounded, have it."""
    matrix = np.random.default_rng(1).normal(0, 1, (6, 160)).astype(np.float32)
    moments = correlated(400, 160)
    blocks = calibrated_blocks(matrix, moments, bits)
    damped = moments.astype(np.float64) + DAMPING * np.trace(moments.astype(np.float64)) / 160 * np.eye(160)
    order, scales, half = (
        np.argsort(-np.diag(moments), kind="stable"),
        np.repeat(blocks.scales, BLOCK, 1),
        1 << (bits - 1),
    )
    codes, error = np.zeros(matrix.shape, np.int64), np.zeros(matrix.shape)
    for place, j in enumerate(order):
        done, left = order[:place], order[place:]
        moved = -np.linalg.solve(damped[np.ix_(left, left)], damped[np.ix_(left, done)] @ error[:, done].T).T
        codes[:, j] = np.clip(np.rint((matrix[:, j] + moved[:, 0]) / scales[:, j]), -half, half - 1)
        error[:, j] = codes[:, j] * scales[:, j] - matrix[:, j]
    assert (codes != blocks.codes).mean() < 0.01, "but for numbers between two codes"


@pytest.mark.parametrize(("bits", "share"), [(4, 0.5), (8, 0.6)])
def test_a_product_is_nearer_than_with_the_nearest_codes(bits: int, share: float) -> None:
    matrix = np.random.default_rng(2).normal(0, 1, (40, 96)).astype(np.float32)
    matrix[3] = 0
    moments = correlated(300, 96)
    blocks = calibrated_blocks(matrix, moments, bits)
    assert cost(matrix, blocks, moments) < share * cost(matrix, quantized(matrix, bits), moments)
    assert not blocks.dequantized()[3].any()


def test_inputs_that_were_never_seen_leave_the_nearest_codes() -> None:
    matrix = np.random.default_rng(3).normal(0, 1, (8, 64)).astype(np.float32)
    blocks = calibrated_blocks(matrix, np.zeros((64, 64), np.float32), 4)
    step = np.repeat(np.abs(blocks.scales), BLOCK, 1)
    inside = np.abs(blocks.codes) < 7
    assert (np.abs(blocks.dequantized() - matrix)[inside] <= 0.5001 * step[inside]).all()


def trained(program: Program) -> Trained:
    return Trained({name: first_value(w, 1) for name, w in program.weights.items()}, tokenizer="bytes")


def text(tmp_path: Path, size: int = 6000) -> Path:
    """Some English, in which bytes are seen unlike often."""
    path = tmp_path / "text.txt"
    path.write_text(" ".join(f"the {n % 7}th word of line {n} is read" for n in range(size))[:size], encoding="utf-8")
    return path


@pytest.mark.parametrize("block", ["", TRAINED])
def test_moments_are_those_of_what_products_read(
    block: str, program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One product has one name however its matrix is fused; computed some at a time they are the same."""
    spec = program(NET + PREDICT + block)
    exports = Preparations(spec, CompileOptions(quantize="int4", calibrate=(text(tmp_path),)))
    moments_of_weights = []
    for folder, most in ((tmp_path / "a", 2**30), (tmp_path / "b", 1)):
        folder.mkdir()
        monkeypatch.setattr(moments_module, "MOST", most)
        moments_of_weights.append(calibrate(exports, trained(spec), folder))
    whole, parts = moments_of_weights
    assert len(whole) == len(parts) == 13, "a head, and in each layer four of attention and two"
    for name, k in (("logits.linear_1.weight", 64), ("logits.repeat_1.1.mlp_1.linear_2.weight", 128)):
        moments = whole.of(frozenset([name]), k)
        assert moments is not None
        np.testing.assert_allclose(moments, moments.T, rtol=1e-4, atol=1e-2)
        assert np.linalg.eigvalsh(moments.astype(np.float64)).min() > -1e-2
        again = parts.of(frozenset([name]), k)
        assert again is not None
        np.testing.assert_allclose(again, moments, rtol=1e-4, atol=1e-2)


def compiled(
    spec: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str], **options: Any
) -> tuple[dict[str, Path], str]:
    files: dict[str, Path] = {}

    def note(written: Exported) -> None:
        files[written.path.name] = written.path

    compile_all(spec, list(spec.exports), None, tmp_path, CompileOptions(tokenizer="bytes", **options), report=note)
    return files, capsys.readouterr().err


@pytest.mark.slow
def test_a_text_calibrates_a_model_without_a_train_block(
    program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, calibrating = program(NET + PREDICT), text(tmp_path)
    whole, _ = compiled(spec, tmp_path / "whole", capsys)
    near, unmeasured = compiled(spec, tmp_path / "near", capsys, quantize="int4")
    assert "is not measured: `--calibrate FILE` measures it on a text" in unmeasured
    chosen, said = compiled(spec, tmp_path / "chosen", capsys, quantize="int4", calibrate=(calibrating,))
    assert "codes are chosen by what 13 products read" in said
    assert "the loss on held-out data goes from" in said and "of the likeliest next tokens stay" in said
    tokens = np.frombuffer(calibrating.read_bytes()[-512:], np.uint8).astype(np.int64)[None]
    z, rounded, better = (
        load(files["spec.predict.onnx"], providers="cpu")(x=tokens) for files in (whole, near, chosen)
    )
    assert np.linalg.norm(better - z) < 0.9 * np.linalg.norm(rounded - z)
    sizes = [files["spec.generate.onnx"].stat().st_size for files in (near, chosen)]
    assert abs(sizes[0] - sizes[1]) < 100, "only the manifest says something else"


@pytest.mark.slow
def test_data_calibrate_a_spec_with_a_train_block(
    program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = program(NET + TRAINED)
    _, said = compiled(spec, tmp_path, capsys, quantize="int4", calibrate=(text(tmp_path),), quantize_limit=1.0)
    assert "codes are chosen by what 13 products read" in said


@pytest.mark.parametrize(
    ("spec", "size", "message"),
    [
        (NET, 6000, "has no export that reads a text alone, and no train block"),
        (NET + PREDICT, 300, "of 300 tokens codes are not calibrated: 512 are the least"),
        (NET + PREDICT, 0, "of 0 tokens"),
        (NET.replace("d = 64", "d = 8") + PREDICT, 6000, "no product of spec is calibrated"),
    ],
)
def test_files_that_cannot_calibrate_are_refused(
    spec: str, size: int, message: str, program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = program(spec)
    with pytest.raises(MaiError, match=message):
        compiled(checked, tmp_path, capsys, quantize="int4", calibrate=(text(tmp_path, size),))
    with pytest.raises(OptionError, match="--calibrate chooses the codes of --quantize"):
        CompileOptions(calibrate=(tmp_path,))


def test_moments_of_one_product_add_up(tmp_path: Path) -> None:
    moments, name = Moments(tmp_path), frozenset(["w"])
    for _ in range(2):
        moments.keep(name, np.eye(3, dtype=np.float32))
    np.testing.assert_array_equal(moments.of(name, 3), 2 * np.eye(3))
    assert moments.of(name, 4) is None and moments.of(frozenset(["v"]), 3) is None


def test_as_few_matrices_as_keep_the_limit_have_8_bits_those_first_that_change_most(tmp_path: Path) -> None:
    rng, moments = np.random.default_rng(4), Moments(tmp_path)
    weights = {}
    for name, heavy in (("smooth", 0.0), ("rough", 30.0), ("middle", 8.0)):
        weights[name] = rng.uniform(-1, 1, (8, 64)).astype(np.float32)
        weights[name][:, ::32] += heavy  # One number of a block says how coarse the others are.
        moments.keep(frozenset([name]), np.eye(64, dtype=np.float32))
    weights["table"] = np.tile(weights["middle"] + 4, (2, 1))  # Of 16 rows of 64, too small for few bits.
    weights["words"] = np.tile(weights["rough"], (64, 1))
    start, limits = Trained(weights, moments=moments), (0.35, 0.25, 0.15, -1.0)
    cost = lambda tried: 0.1 * (4 - len(tried.wide))  # noqa: E731
    chosen = [widened(start, ["table", "words"], cost, limit).wide for limit in limits]
    order = ("middle", "words", "rough", "smooth")
    assert {order[0]} == chosen[0] and [len(wide) for wide in chosen] == [1, 2, 3, 4]
    assert chosen[1] <= {"middle", "words", "rough"} and chosen[2] == set(order[:3]) and chosen[3] == set(order)


def test_a_matrix_of_8_bits_lies_beside_those_of_4(program: Maker, tmp_path: Path) -> None:
    spec, wide = program(NET + PREDICT), "logits.repeat_1.1.mlp_1.linear_2.weight"
    weights = replace(trained(spec), wide=frozenset([wide]))
    path = export(spec, "predict", weights, tmp_path, CompileOptions(quantize="int4")).path
    codes = {t.name: t.data_type for t in onnx.load(path).graph.initializer if t.name.endswith(".codes")}
    eight = [name for name, kind in codes.items() if kind == onnx.TensorProto.INT8]
    assert [name.startswith(wide) for name in eight] == [True] and len(codes) == 10
    whole = load(export(spec, "predict", weights, tmp_path / "whole").path, providers="cpu")
    tokens = np.arange(24)[None]
    assert np.abs(load(path, providers="cpu")(x=tokens) - whole(x=tokens)).max() < 0.5


@pytest.mark.slow
def test_a_limit_is_held_and_it_is_told_how(
    program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the losses of a model that was trained long: a matrix in 4 bits costs a hundredth."""
    spec = program(NET + PREDICT)
    change = lambda exports, tried: [Change(None, 1.0, 1.0 + 0.01 * (14 - len(tried.wide)))]  # noqa: E731
    monkeypatch.setattr(few_bits, "text_changes", change)
    files, said = compiled(spec, tmp_path, capsys, quantize="int4", calibrate=(text(tmp_path),), quantize_limit=0.115)
    assert "3 matrices stay in int8: `logits." in said and "from 1 to 1.11 (+11.00%)" in said
    assert load(files["spec.predict.onnx"], providers="cpu").manifest.loss_change == pytest.approx(0.11)
    with pytest.raises(MaiError, match="costs too much"):
        compiled(spec, tmp_path, capsys, quantize="int4", calibrate=(text(tmp_path),), quantize_limit=-0.1)


def test_equal_matrices_have_codes_by_what_each_is_multiplied_with(tmp_path: Path) -> None:
    matrix = np.random.default_rng(5).normal(0, 1, (8, 64)).astype(np.float32)
    moments = Moments(tmp_path)
    for name, rows in (("one", 100), ("other", 7)):
        moments.keep(frozenset([name]), correlated(rows, 64))
        blocks = moments.blocks(frozenset([name]), matrix, 4)
        assert blocks is not None
        np.testing.assert_array_equal(blocks.codes, calibrated_blocks(matrix, correlated(rows, 64), 4).codes)


def test_numbers_that_are_not_finite_choose_no_codes(program: Maker, tmp_path: Path) -> None:
    spec = program("export f(x: [256]) -> [64] { return linear(x, 64) }")
    graph = forms.optimise(forms.prepare(spec.exports["f"]))
    batch = {"x": np.full((2, 256), np.nan, np.float32)}
    with pytest.raises(MaiError, match="multiplied with is not finite for the files of --calibrate"):
        Moments(tmp_path).watch(graph, trained(spec).weights, [batch], 21)
