"""Products of whole numbers: what they compute, that examples do not see each other, where they are made, what the gate says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, FewBits, Trained
from mai.compiler.onnx.export import export
from mai.compiler.onnx.precision.whole import LARGEST_WEIGHT, stored
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.unseen.evaluation import loss_changes
from mai.runtime import load
from mai.runtime.arrays import Array
from tests.support.command import invoke

Maker = Callable[..., Program]
INT8: FewBits = "int8"

PLAIN = """net f(x: [128]) -> [160] { return linear(x, 160) }
net g(h: [160]) -> [128] { return linear(h, 128) }
export step(x: [128], steps: int = 1) -> [128] {
  integrate s in 0..1 using euler(steps) { dx/ds = g(tanh(f(x))) }
  return x
}
"""
TOKENS = """const d = 128
data x: [2, 8], y: class[3] from npz("rows.npz")
layer block(h: [P, d], c: [d]) -> [P, d] {
  h += linear(silu(c), d) * attention(layer_norm(h), 4)
  return h + mlp(layer_norm(h), 2 * d)
}
net velocity(x: [2, 8], s: [], y: class[3]) -> [2, 8] {
  c = linear(fourier(s, 128), d) + embed(y, d)
  h = linear(x, d)
  repeat 2 { h = block(h, c) }
  return linear(h, 8)
}
train(steps = 2, batch = 4, optimizer = adam(lr = 1e-3)) {
  x0 ~ normal([2, 8])
  s ~ uniform(0, 1)
  minimize mean((x - x0 - velocity((1 - s) * x0 + s * x, s, y))^2)
}
export sample(y: class[3], steps: int = 3) -> [2, 8] {
  x ~ normal([2, 8])
  integrate s in 0..1 using METHOD(steps) { dx/ds = velocity(x, s, y) }
  return x
}
"""


def tokens(program: Maker, folder: Path, method: str = "euler") -> Program:
    generator = np.random.default_rng(0)
    rows = {"x": generator.normal(0, 1, (96, 2, 8)).astype(np.float32), "y": generator.integers(0, 3, 96)}
    np.savez(folder / "rows.npz", **rows)
    return program(TOKENS.replace("METHOD", method))


def nodes(graph: Any) -> list[Any]:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*graph.node, *(n for g in inner for n in nodes(g))]


def operators(path: Path) -> Counter[str]:
    return Counter(n.op_type for n in nodes(onnx.load(path).graph))


def rounded(x: Array, largest: int) -> tuple[Array, Array]:
    scales = np.abs(x).max(-1, keepdims=True).astype(np.float32) / np.float32(largest)
    return np.rint(x / scales), scales


@pytest.mark.parametrize("opset", [21, 23])
def test_it_computes_what_its_formula_says(program: Maker, tmp_path: Path, opset: int) -> None:
    spec = program(PLAIN)
    weights, _ = load_weights(spec, None, 1)
    path = export(spec, "step", Trained(weights), tmp_path, CompileOptions(opset=opset, quantize=INT8)).path
    x = np.random.default_rng(0).normal(0, 1, (7, 128)).astype(np.float32)
    x[3] = 0

    def product(name: str, x: Array) -> Array:
        codes, c = rounded(weights[f"{name}.linear_1.weight"], LARGEST_WEIGHT)
        q, r = rounded(np.where(x == 0, 1e-35, x), 127)
        spec: Array = (q @ codes.T) * r * c.T + weights[f"{name}.linear_1.bias"]
        return spec

    wanted = x + product("g", np.tanh(product("f", x)))
    np.testing.assert_allclose(load(path, providers="cpu")(x=x), wanted, atol=2e-3 * np.abs(wanted).max())
    assert operators(path)["MatMulInteger"] == 2
    assert {o.domain for o in onnx.load(path).opset_import} == {""}


def test_no_sum_of_two_products_leaves_16_bits() -> None:
    matrix = np.random.default_rng(0).normal(0, 1, (130, 140)).astype(np.float32)
    matrix[5] = 0
    codes, scales = (t.numpy() for t in stored(matrix, "w"))
    assert 2 * 255 * int(np.abs(codes.astype(int)).max()) < 2**15
    error = np.abs(codes.T * scales[:, None] - matrix)
    assert (error <= scales[:, None] * 0.5001).all()
    assert not codes[:, 5].any()


@pytest.mark.parametrize("method", ["euler", "rk4", "ab2", "dopri5"])
def test_an_example_does_not_depend_on_its_batch(program: Maker, tmp_path: Path, method: str) -> None:
    text = PLAIN.replace("euler(steps)", method + ("()" if method == "dopri5" else "(steps)"))
    text = text if method != "dopri5" else text.replace(", steps: int = 1", "")
    spec = program(text)
    model = load(
        export(spec, "step", Trained(load_weights(spec, None, 0)[0]), tmp_path, CompileOptions(quantize=INT8)).path,
        providers="cpu",
    )
    assert operators(model.path)["MatMulInteger"]
    x = np.random.default_rng(0).normal(0, 1, (300, 128)).astype(np.float32)  # More than a chunk.
    x[4] *= 100
    together = model(x=x)
    for rows in (slice(0, 1), slice(4, 5), slice(5, 40)):
        np.testing.assert_array_equal(model(x=x[rows]), together[rows])


def test_a_state_that_no_example_owns(program: Maker, tmp_path: Path) -> None:
    """One row, without a batch."""
    spec = program(
        "net f(x: [128]) -> [128] { return linear(x, 128) }\n"
        "export g(steps: int = 4) -> [128] {\n  x = ones([128])\n"
        "  integrate s in 0..1 using euler(steps) { dx/ds = f(x) }\n  return x\n}\n"
    )
    weights, _ = load_weights(spec, None, 0)
    whole = load(export(spec, "g", Trained(weights), tmp_path / "whole").path, providers="cpu")()
    few = export(spec, "g", Trained(weights), tmp_path, CompileOptions(quantize=INT8))
    assert operators(few.path)["MatMulInteger"] == 1
    np.testing.assert_allclose(load(few.path, providers="cpu")(), whole, atol=0.02 * np.abs(whole).max())


@pytest.mark.parametrize("unroll", [False, True])
def test_a_flow_of_tokens(program: Maker, tmp_path: Path, unroll: bool) -> None:
    """Products of what is integrated; those of the time and the label, and the narrow ones, are none. Three read one's rows."""
    spec = tokens(program, tmp_path)
    weights, _ = load_weights(spec, None, 0)
    whole = export(spec, "sample", Trained(weights), tmp_path / "whole", CompileOptions(unroll=unroll))
    few = export(spec, "sample", Trained(weights), tmp_path, CompileOptions(quantize=INT8, unroll=unroll))
    turns = 3 if unroll else 1
    counts = operators(few.path)
    assert counts["MatMulInteger"] == 2 * 6 * turns
    assert counts["QuantizeLinear"] == 2 * 4 * turns
    assert few.size < 0.5 * whole.size
    assert few.notes == ()
    y = np.arange(6) % 3
    a, b = (load(spec.path, providers="cpu")(y=y, seed=1) for spec in (whole, few))
    assert 0 < np.abs(a - b).max() < 0.02 * np.abs(a).max()
    np.testing.assert_array_equal(load(few.path, providers="cpu")(y=y[:2], seed=1), b[:2])
    names = Preparations(spec).coarse(8).whole
    assert len(names) == 12
    assert all("attention" in n or "mlp" in n for n in names)


@pytest.mark.slow
def test_the_loss_of_a_flow_is_measured_with_its_products(program: Maker, tmp_path: Path) -> None:
    spec = tokens(program, tmp_path)
    weights, _ = load_weights(spec, None, 0)
    (eight,), (four,) = (
        loss_changes(Preparations(spec, CompileOptions(quantize=k)), Trained(weights)) for k in ("int8", "int4")
    )
    assert eight.before == four.before
    assert 0 < abs(eight.relative) < 0.01
    coarser = {n: w + 0.3 * np.abs(w).max(1, keepdims=True) * (np.arange(w.shape[1]) == 0) if n in Preparations(spec).coarse(8).whole else w
               for n, w in weights.items()}  # fmt: skip
    assert loss_changes(Preparations(spec, CompileOptions(quantize="int8")), Trained(coarser)) != [eight]


def test_the_limit_holds_for_a_flow(program: Maker, tmp_path: Path) -> None:
    tokens(program, tmp_path)
    arguments = ["compile", str(tmp_path / "spec.mai"), "--out", str(tmp_path), "--quantize", "int8"]
    said = invoke(*arguments, "--quantize-limit=-1")
    assert said.exit_code == 1
    assert "quantize-loss" in said.output
    assert not list(tmp_path.glob("*.onnx"))
    said = invoke(*arguments)
    assert said.exit_code == 0, said.output
    assert "the loss on held-out data goes from" in said.output
    assert re.search(r"differs from torch by \de-\d\d with whole weights, by \d\.\d% with those of int8", said.output)
    assert operators(tmp_path / "spec.sample.onnx")["MatMulInteger"] == 12


def test_what_few_bits_do_not_do_is_said(program: Maker, tmp_path: Path) -> None:
    convolving = program(
        "net v(x: [1, 8, 8]) -> [1, 8, 8] { return conv(silu(conv(x, 8, 3)), 1, 3) }\n"
        "export sample(x: [1, 8, 8], steps: int = 2) -> [1, 8, 8] {\n"
        "  integrate s in 0..1 using euler(steps) { dx/ds = v(x) }\n  return x\n}\n"
    )
    weights, _ = load_weights(convolving, None, 0)
    said = export(convolving, "sample", Trained(weights), tmp_path, CompileOptions(quantize=INT8)).notes
    assert said == (
        "2 convolutions of `sample` stay in float32: 8 bits make those of few channels, or in groups, no faster",
        "no product of `sample` is large enough for few bits: its file is as without",
    )
    spec = program(PLAIN)
    weights, _ = load_weights(spec, None, 0)
    assert export(spec, "step", Trained(weights), tmp_path, CompileOptions(quantize=INT8)).notes == ()
    (note,) = export(spec, "step", Trained(weights), tmp_path, CompileOptions(quantize="int4")).notes
    assert "8 make it faster" in note
    assert not operators(tmp_path / "spec.step.onnx")["MatMulInteger"]
