"""What is done to scores before a token is drawn, and draws with a seed for each row: as transformers has them, or as the definitions say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export, export_step
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.arrays import Array

Maker = Callable[..., Program]
K = 9
ROWS = [[2, 2, 5, 2], [0, 8, 8, 1]]
NET = """const vocab = 12
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 8)
  h += attention(h, 2, causal = true, rotary = true)
  return 4 * linear(h, vocab)
}
export generate(prompt: tokens[P], SEEDcount: int = 10, presence: real = 0.9, frequency: real = 0.6, temperature: real = 0.0) -> tokens[P + count] {
  x = prompt
  extend x by count {
    next ~ categorical(penalise(logits(x)[-1], x, 1.2, presence, frequency) / temperature)
    append next
  }
  return x
}
export predict(x: tokens[P]) -> [P, vocab] { return logits(x) }
"""
PROMPTS = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3, 5]]


def scores(count: int = 2) -> Array:
    return np.random.default_rng(3).normal(0, 2, (count, K)).astype(np.float32)


def computed(program: Maker, body: str, **arrays: Any) -> Array:
    inputs = ", ".join(f"{name}: {'tokens[P]' if name == 'x' else f'[{K}]'}" for name in arrays)
    checked = program(f'const vocab = {K}\nimport "std/sampling"\nexport f({inputs}) -> [{K}] {{ return {body} }}\n')
    (result,) = evaluate(forms.prepare(checked.exports["f"]), arrays, {}, {})
    return np.asarray(result)


def test_repetition(program: Maker) -> None:
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    z, x = scores(), np.array(ROWS)
    expected = library.RepetitionPenaltyLogitsProcessor(1.3)(torch.from_numpy(x), torch.from_numpy(z.copy()))
    np.testing.assert_allclose(computed(program, "penalise(z, x, 1.3)", z=z, x=x), expected, atol=1e-6)


def test_biases(program: Maker) -> None:
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    z, x = scores(), np.array(ROWS)
    process = library.SequenceBiasLogitsProcessor([[[1], -2.5], [[7], 4.0]])
    expected = process(torch.from_numpy(x), torch.from_numpy(z.copy()))
    np.testing.assert_allclose(computed(program, "biased(z, [1, 7], [-2.5, 4])", z=z), expected, atol=1e-6)
    left = library.SuppressTokensLogitsProcessor([1, 7], device="cpu")(torch.from_numpy(x), torch.from_numpy(z.copy()))
    np.testing.assert_allclose(np.exp(computed(program, "without(z, [1, 7])", z=z)), torch.exp(left), atol=1e-6)


def test_counts(program: Maker) -> None:
    expected = [np.bincount(row, minlength=K) for row in ROWS]
    np.testing.assert_array_equal(computed(program, f"counts(x, {K})", x=np.array(ROWS)), expected)


def plain(predict: Any, prompt: list[int], count: int) -> list[int]:
    """The same by a loop: all tokens of the text by 1.2, those that were appended by 0.9, and by 0.6 for each time."""
    text = list(prompt)
    for _ in range(count):
        z = predict(x=np.array([text]))[0, -1].astype(np.float64)
        for token in set(text):
            z[token] = z[token] / 1.2 if z[token] > 0 else z[token] * 1.2
        own = text[len(prompt) :]
        for token in set(own):
            z[token] -= 0.9 + 0.6 * own.count(token)
        text.append(int(z.argmax()))
    return text


@pytest.mark.parametrize(
    "options", [{}, {"cache": "none"}, {"cache": "two-level"}, {"drafts": 4}, {"settings": "required"}], ids=str
)
def test_what_was_appended_is_penalised(options: dict[str, Any], program: Maker, tmp_path: Path) -> None:
    checked = program(NET.replace("SEED", ""))
    trained = Trained(load_weights(checked, None)[0])
    files = {
        n: load(export(checked, n, trained, tmp_path, CompileOptions(**options)).path, providers="cpu")
        for n in checked.exports
    }
    results = files["generate"](prompt=PROMPTS, count=10)
    for row, prompt in zip(results, PROMPTS, strict=True):
        assert row.tolist() == plain(files["predict"], prompt, 10)
    long = list(np.random.default_rng(0).integers(0, 12, 300))  # In blocks.
    assert files["generate"](prompt=[long], count=5)[0].tolist() == plain(files["predict"], long, 5)


def test_step_by_step(program: Maker, tmp_path: Path) -> None:
    checked = program(NET.replace("SEED", "seed: int, "))
    trained = Trained(load_weights(checked, None)[0])
    whole = load(export(checked, "generate", trained, tmp_path).path, providers="cpu")
    export_step(checked, "generate", trained, tmp_path)
    seeds = [5, 6, 5]
    rows = whole(prompt=PROMPTS, seed=seeds, temperature=1.0)
    for row, prompt, seed in zip(rows, PROMPTS, seeds, strict=True):
        alone = list(whole.stream(np.array([prompt]), seed=[seed], temperature=1.0))
        assert row[len(prompt) :].tolist() == [int(t[0]) for t in alone]


def test_a_seed_for_each_row(program: Maker, tmp_path: Path) -> None:
    """A row draws as it does alone, whatever its place; equal seeds draw alike, others do not."""
    text = "export f(SEEDx: []) -> [3] {\n  z ~ uniform([3], 0, 1)\n  return x + z\n}\n"
    own = load(export(program(text.replace("SEED", "seed: int, ")), "f", Trained({}), tmp_path).path, providers="cpu")
    one = load(export(program(text.replace("SEED", "")), "f", Trained({}), tmp_path).path, providers="cpu")
    seeds = [4, 9, 4, 2**31 + 5]
    results = own(seed=seeds, x=np.zeros(4, np.float32))
    for row, seed in zip(results, seeds, strict=True):
        np.testing.assert_array_equal(row, one(x=[0.0], seed=seed)[0])
    assert "seed" not in own.settings
    assert own.manifest.draws


@pytest.mark.parametrize("order", ["seed: int, example: int, ", "example: int, seed: int, "])
def test_requests_share_a_call(program: Maker, tmp_path: Path, order: str) -> None:
    """A row with a seed and a number is that row of a call with the seed, in loops, too, whatever else is in the batch."""
    text = """export f(SEEDx: []) -> ([3], []) {
  z ~ uniform([3], 0, 1)
  y = x
  repeat 3 {
    e ~ normal()
    y += e
  }
  return (x + z, y)
}
"""
    shared = load(export(program(text.replace("SEED", order)), "f", Trained({}), tmp_path).path, providers="cpu")
    plain = load(export(program(text.replace("SEED", "")), "f", Trained({}), tmp_path).path, providers="cpu")
    seeds, numbers = [4, 9, 4, 9, 4], [0, 2, 6, 0, 1]
    results = shared(seed=seeds, example=numbers, x=np.zeros(5, np.float32))
    batches = {seed: plain(x=np.zeros(7, np.float32), seed=seed) for seed in set(seeds)}
    for name in plain.outputs:
        for row, seed, number in zip(results[name], seeds, numbers, strict=True):
            np.testing.assert_array_equal(row, batches[seed][name][number])
    for wrong, said in (
        ({"example": 2**32}, "`example` is from 0 to 4294967295, this holds 4294967296"),
        ({"example": -1}, "`example` is from 0"),
        ({"seed": -1}, "`seed` is at least 0"),
        ({"seed": 2**63}, "`seed` is a whole number from -9223372036854775808 to"),
    ):
        with pytest.raises(ModelError, match=said):
            shared(**{"seed": 1, "example": 0, "x": 0.0} | wrong)


def test_an_example_without_a_seed_is_an_input(program: Maker, tmp_path: Path) -> None:
    text = "export f(example: int) -> [] {\n  z ~ normal()\n  return z + example\n}\n"
    own = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")
    drawn = load(
        export(program("export f(x: []) -> [] {\n  z ~ normal()\n  return z + x\n}\n"), "f", Trained({}), tmp_path).path
    )
    np.testing.assert_array_equal(own(example=[5, 5]), drawn(x=np.full(2, 5, np.float32)))


def test_appended_is_of_the_text_that_grows(program: Maker) -> None:
    text = NET.replace("SEED", "").replace("x, 1.2, presence", "prompt, 1.2, presence")
    assert [d.slug for d in check_text(Path("a.mai"), text).diagnostics] == ["appended-elsewhere"]
