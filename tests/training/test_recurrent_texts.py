"""Recurrent language models: trained turn by turn, and grown with states of constant size, as the whole text computed anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.check import growing
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import load
from tests.support.cases.growing_texts import side_by_side

Maker = Callable[[str], Program]
# Cho et al. 2014.
GRU = """
layer gru(x: [P, d], n) -> [P, n] {
  h = zeros([n])
  repeat P shared as t {
    (r, z) = split(sigmoid(linear(concat(x[t], h), 2 * n)), 2)
    h += z * (tanh(linear(concat(x[t], r * h), n)) - h)
  } keep h as hs
  return hs
}
net logits(x: tokens[P]) -> [P, vocab] { return linear(gru(embed(x, n), n), vocab) }
"""
# Gu and Dao 2023.
SELECTIVE = """
layer selective(x: [P, e], m) -> [P, e] {
  param A: [e, m] ~ uniform(-2, 1)
  step = softplus(linear(x, e))
  B = linear(x, m, bias = false)
  C = linear(x, m, bias = false)
  h = zeros([e, m])
  repeat P shared as t {
    h = exp(-step[t][:, None] * exp(A)) * h + (step[t] * x[t])[:, None] * B[t]
    y = h @ C[t]
  } keep y as ys
  return ys + x
}
layer block(x: [P, n]) -> [P, n] {
  (u, gate) = split(linear(rms_norm(x), 4 * n, bias = false), 2)
  return linear(selective(silu(causal_conv(u, 2 * n, size = 4, groups = 2 * n)), 4) * silu(gate), n, bias = false)
}
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, n)
  repeat 2 { h += block(h) }
  return linear(rms_norm(h), vocab)
}
"""
AROUND = """
# A recurrent language model.
const vocab = 20
const n = 8
data x: tokens[9] from npz("texts.npz")
{}
train(steps = 3, batch = 4, optimizer = adam(lr = 1e-2)) { minimize mean(cross_entropy(logits(x[:-1]), x[1:])) }
export generate(prompt: tokens[P], count: int = 12, temperature: real = 0.0, stop: token = -1) -> tokens[P + count] {
  x = prompt
  extend x by count until stop {
    next ~ categorical(logits(x)[-1] / temperature)
    append next
  }
  return x
}
"""


@pytest.mark.parametrize("net", ["gru", pytest.param("selective", marks=pytest.mark.slow)])
def test_a_recurrent_text_is_trained_and_grown(program: Maker, tmp_path: Path, net: str) -> None:
    corpus = np.random.default_rng(0).integers(0, 20, (16, 9))
    np.savez(tmp_path / "texts.npz", x=corpus)
    spec = program(AROUND.replace("{}", GRU if net == "gru" else SELECTIVE))
    assert growing(spec) == []
    result = train(spec, tmp_path / "run", Options(device="cpu", quiet=True, data=(tmp_path / "texts.npz",)))
    trained = Trained(load_file(result.weights or ""))
    prompt = side_by_side([corpus[0], corpus[1, :1], corpus[2, :4]])
    texts = []
    for cache in ("none", "concat"):
        path = export(spec, "generate", trained, tmp_path / cache, CompileOptions(cache=cache)).path
        texts.append(load(path, providers="cpu")(prompt=prompt, stop=3))
    np.testing.assert_array_equal(*texts)
    turn = forms.step(forms.prepare(spec.exports["generate"], cache="concat"))
    assert turn is not None
    sizes = [v.type.shape for v in turn.inputs if v.name != "ids"]
    assert len(sizes) >= 2 and all(isinstance(size, int) for shape in sizes for size in shape)
