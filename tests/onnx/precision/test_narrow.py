"""Files in 16 bits: what is narrow and what is not, that they compute what torch does, and what the gate says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.few_bits import warn_of_narrow
from mai.compiler.onnx.comparing.trial import session
from mai.compiler.onnx.export import export, export_step
from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.onnx.prepared import Preparations, prepare_export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

Maker = Callable[..., Program]

FLOW = """const d = 64
net velocity(x: [4, 8], s: []) -> [4, 8] {
  c = linear(silu(linear(fourier(s, 64), d)), d)
  h = linear(x, d)
  h += linear(c, d) * attention(layer_norm(h), 4)
  h += mlp(layer_norm(h), 128)
  return linear(h, 8)
}
export sample(steps: int = 3) -> [4, 8] {
  x ~ normal([4, 8])
  integrate s in 0..1 using METHOD { dx/ds = velocity(x, s) }
  return x
}
"""
IMAGES = """net v(x: [2, 8, 8]) -> [2, 8, 8] { return x |> conv(96, 3) |> group_norm(4) |> silu |> conv(96, 3) |> conv(2, 3) }
export sample(x: [2, 8, 8], steps: int = 2) -> [2, 8, 8] {
  integrate s in 0..1 using euler(steps) { dx/ds = v(x) }
  return x
}
"""
TEXT = """const vocab = 256
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 64)
  repeat 2 {
    h += attention(rms_norm(h), 4, kv_heads = 2, causal = true, rotary = rope())
    h += gated_mlp(rms_norm(h), 128)
  }
  return linear(rms_norm(h), vocab)
}
export predict(x: tokens[P]) -> [P, vocab] { return logits(x) }
export generate(prompt: tokens[P], count: int = 8) -> tokens[P + count] {
  x = prompt
  extend x by count { next ~ categorical(logits(x)[-1])
    append next }
  return x
}
"""


def spec_with_weights(program: Maker, text: str) -> tuple[Program, dict[str, Array]]:
    spec = program(text.replace("METHOD", "euler(steps)"))
    return spec, load_weights(spec, None, 0)[0]


def graphs(graph: Any) -> list[Any]:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [graph, *(g for i in inner for g in graphs(i))]


def stored(path: Path, type: int) -> int:
    """The bytes of initializers of a type."""
    model = onnx.load(path)
    size = onnx.helper.tensor_dtype_to_np_dtype(type).itemsize
    tensors = [t for g in graphs(model.graph) for t in g.initializer if t.data_type == type]
    return sum(int(np.prod(t.dims)) * size for t in tensors)


@pytest.mark.parametrize("opset", [21, 23])
@pytest.mark.parametrize(("text", "name"), [(FLOW, "sample"), (IMAGES, "sample"), (TEXT, "predict")])
def test_fp16_computes_what_float32_does(program: Maker, tmp_path: Path, text: str, name: str, opset: int) -> None:
    spec, weights = spec_with_weights(program, text)
    whole = export(spec, name, Trained(weights), tmp_path / "whole", CompileOptions(opset=opset))
    half = export(spec, name, Trained(weights), tmp_path, CompileOptions(opset=opset, precision="fp16"))
    assert 1e-6 < float(half.error or 0) < 0.01
    assert stored(half.path, TensorProto.FLOAT) < 0.06 * stored(whole.path, TensorProto.FLOAT)
    assert stored(half.path, TensorProto.FLOAT16) > 0.45 * stored(whole.path, TensorProto.FLOAT)
    model, other = load(half.path, providers="cpu"), load(whole.path, providers="cpu")
    assert model.manifest.precision == "fp16"
    assert [i.type for i in session(half.path.read_bytes()).get_outputs()] == ["tensor(float)"]
    feeds: dict[str, Any] = {"seed": 3, "batch": 5} if text is FLOW else {}
    feeds |= {"x": np.random.default_rng(0).standard_normal((3, 2, 8, 8)).astype(np.float32)} if text is IMAGES else {}
    feeds |= {"x": np.random.default_rng(0).integers(0, 256, (2, 12))} if text is TEXT else {}
    a, b = model(**feeds), other(**feeds)
    assert a.dtype == np.float32
    assert 0 < np.abs(a - b).max() < 0.01 * np.abs(b).max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "name"), [(FLOW, "sample"), (IMAGES, "sample"), (TEXT, "predict"), (TEXT, "generate")]
)
def test_bf16_is_a_sound_file(program: Maker, tmp_path: Path, text: str, name: str) -> None:
    """Its form is checked by onnx, its numbers by the same graph, rounded; the file itself needs CUDA, and says so."""
    spec, weights = spec_with_weights(program, text)
    whole = export(spec, name, Trained(weights), tmp_path / "whole")
    half = export(spec, name, Trained(weights), tmp_path, CompileOptions(precision="bf16"))
    onnx.checker.check_model(onnx.load(half.path), full_check=True)
    assert float(half.error or 0) < 0.05
    assert half.size < 0.75 * whole.size
    with pytest.raises(ModelError, match="bf16") as caught:
        load(half.path, providers="cpu")
    assert caught.value.slug == "precision-unsupported"


@pytest.mark.parametrize(("precision", "dtype", "bits"), [("fp16", np.float16, 11), ("bf16", ml_dtypes.bfloat16, 8)])
def test_the_simulation_rounds_what_the_file_holds(program: Maker, precision: Any, dtype: Any, bits: int) -> None:
    """A product by hand: weights and operands of few bits, the sum in float32, the result of few bits."""
    spec = program("export f(x: [64]) -> [32] { return linear(x, 32) }\n")
    weights, _ = load_weights(spec, None, 0)
    model = build(prepare_export(spec, "f").optimised, weights, CompileOptions(precision=precision), rounded=True)
    x = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    (y,) = session(serialised(model)).run(None, {"x": x})

    def rounded(a: Array) -> Array:
        return a.astype(dtype).astype(np.float32)

    weight, bias = (rounded(weights[f"f.linear_1.{part}"]) for part in ("weight", "bias"))
    wanted = rounded(rounded(x) @ weight.T + bias)
    np.testing.assert_allclose(y, wanted, atol=2**-bits * np.abs(wanted).max())
    assert (rounded(y) == y).all()


def test_states_draws_and_times_are_whole(program: Maker, tmp_path: Path) -> None:
    """The loop hands on float32; between products of its body lie 16 bits, with few casts."""
    spec, weights = spec_with_weights(program, FLOW)
    graph = onnx.load(export(spec, "sample", Trained(weights), tmp_path, CompileOptions(precision="fp16")).path).graph
    loops = [n for g in graphs(graph) for n in g.node if n.op_type == "Loop"]
    bodies = [a.g for loop in loops for a in loop.attribute if a.name == "body"]
    (body,) = [each for each in bodies if all(n.op_type != "Loop" for n in each.node)]  # In a loop of blocks of turns.
    assert {v.type.tensor_type.elem_type for v in [*body.input[2:], *body.output[1:]]} == {TensorProto.FLOAT}
    casts = [n for n in body.node if n.op_type == "Cast"]
    assert len(casts) <= 4
    by_output = {o: n for g in graphs(graph) for n in g.node for o in n.output}
    cosine = by_output[next(n for g in graphs(graph) for n in g.node if n.op_type == "Cos").input[0]]
    assert cosine.op_type != "Cast"


def test_keys_and_values_are_kept_narrow(program: Maker, tmp_path: Path) -> None:
    spec, weights = spec_with_weights(program, TEXT)
    path = export(spec, "generate", Trained(weights), tmp_path, CompileOptions(precision="fp16")).path
    (loop,) = [n for n in onnx.load(path).graph.node if n.op_type == "Loop"]
    body = next(a.g for a in loop.attribute if a.name == "body")
    types = [v.type.tensor_type.elem_type for v in body.input[2:]]
    assert types.count(TensorProto.FLOAT16) == 4
    assert TensorProto.FLOAT not in types
    tokens = np.random.default_rng(1).integers(0, 256, (2, 12))
    assert load(path, providers="cpu")(prompt=tokens, seed=1).shape == (2, 20)
    step = export_step(spec, "generate", Trained(weights), tmp_path, CompileOptions(precision="fp16"))
    assert step is not None
    assert float(step.error or 0) < 0.01
    assert len(list(load(path, providers="cpu").stream(tokens))) == 8


@pytest.mark.parametrize("method", ["rk4(steps)", "ab2(steps)", "dopri5(rtol = 1e-3, atol = 1e-3)"])
@pytest.mark.parametrize("precision", ["fp16", pytest.param("bf16", marks=pytest.mark.slow)])
def test_every_way_to_take_steps(program: Maker, tmp_path: Path, method: str, precision: Any) -> None:
    text = FLOW.replace("METHOD", method)
    spec = program(text.replace("steps: int = 3", "") if "dopri" in method else text)
    weights, _ = load_weights(spec, None, 0)
    unroll = method.startswith("rk4")
    assert export(
        spec, "sample", Trained(weights), tmp_path, CompileOptions(precision=precision, unroll=unroll)
    ).path.exists()


def test_numbers_beyond_fp16_are_refused(program: Maker, tmp_path: Path) -> None:
    """An activation of a million is infinite in fp16; a constant of a million stays in float32, and bf16 holds both."""
    spec = program("export f(x: [64]) -> [64] { return linear(1000000 * linear(x, 64), 64) / 1000000 }\n")
    weights, _ = load_weights(spec, None, 0)
    weights = {n: w * (300 if "linear_1.weight" in n else 1) for n, w in weights.items()}
    with pytest.raises(MaiError) as caught:
        export(spec, "f", Trained(weights), tmp_path, CompileOptions(precision="fp16"))
    assert caught.value.diagnostics[0].slug == "precision-loss"
    assert not list(tmp_path.glob("*.onnx"))
    assert export(spec, "f", Trained(weights), tmp_path, CompileOptions(precision="bf16")).path.exists()


LARGE = """data x: [2], y: [1] from npz("rows.npz")
net f(x: [2]) -> [1] {
  h = linear(x, 32)
  return linear(tanh(linear(h * h / 1e6, 32)), 1)
}
train(steps = 1, batch = 4, optimizer = adam(lr = 1e-3)) { minimize mean((f(x) - y)^2) }
export g(x: [2]) -> [1] { return f(x) }
"""


@pytest.mark.parametrize(
    ("size", "precision", "message"), [(1000, "fp16", True), (1000, "bf16", False), (1, "fp16", False)]
)
def test_data_that_fp16_does_not_hold_are_told(
    program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: float, precision: Any, message: bool
) -> None:
    """The gate's inputs are normal numbers, of which fp16 holds all that is computed."""
    x = size * np.random.default_rng(0).uniform(1, 2, (16, 2)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", x=x, y=1 + x[:, :1] / size)
    spec = program(LARGE)
    warn_of_narrow(Preparations(spec, CompileOptions(precision=precision)), Trained(load_weights(spec, None, 0)[0]))
    assert ("warning[precision-loss]: fp16: the loss on held-out data goes from" in capsys.readouterr().err) is message


def test_the_command(program: Maker, tmp_path: Path) -> None:
    spec_with_weights(program, FLOW)

    def said(*options: str) -> Any:
        return invoke("compile", tmp_path / "spec.mai", "--out", tmp_path, *options)

    done = said("--precision", "bf16")
    assert done.exit_code == 0, done.output
    assert "bf16 was compared as float32 with every value rounded" in done.output
    assert said("--precision", "fp16").exit_code == 0
    assert "MB, fp16, opset" in invoke("info", tmp_path / "spec.sample.onnx").output
    assert "one of them" in said("--precision", "fp16", "--quantize", "int8").output
    assert "float32, fp16, bf16" in said("--precision", "fp8").output
