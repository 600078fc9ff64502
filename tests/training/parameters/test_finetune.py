"""Training on top of given weights: only what should move moves, and low-rank changes are worth nothing at first."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import load
from tests.support.models.zoo import CASES, ZOO, program_of, saved

NET = """data x: [2] from moons()
net f(x: [2]) -> [2] {
  h = LAYER(x, 8MORE)
  repeat 2 { h += tanh(LAYER(h, 8MORE)) }
  return linear(h, 2)
}
train(steps = 5, batch = 16SETTINGS) { minimize sum((f(x) - x)^2)OVER }
export g(x: [2]) -> [2] { return f(x) }
"""
Make = Callable[[str], Program]
Weights = dict[str, np.ndarray]  # type: ignore[type-arg]


def spec(layer: str = "linear", settings: str = "", over: str = "", more: str = "") -> str:
    return NET.replace("LAYER", layer).replace("MORE", more).replace("SETTINGS", settings).replace("OVER", over)


def moved(program: Program, out: Path, **options: object) -> set[str]:
    """The weights that a few steps change."""
    before, _ = load_weights(program, None)
    result = train(program, out, Options(device="cpu", quiet=True, **options))  # type: ignore[arg-type]
    assert result.weights is not None
    after, _ = load_weights(program, result.weights)
    return {name for name in before if not np.array_equal(before[name], after[name])}


BODY = {f"f.repeat_1.{i}.linear_1.{part}" for i in range(2) for part in ("weight", "bias")}
HEAD = {"f.linear_2.weight", "f.linear_2.bias"}
FIRST = {"f.linear_1.weight", "f.linear_1.bias"}


@pytest.mark.parametrize(
    ("settings", "over", "expected"),
    [
        ("", "", BODY | HEAD | FIRST),
        ('freeze = "f.repeat_1.*"', "", HEAD | FIRST),
        ('freeze = ["f.repeat_1.*", "*.bias"]', "", {"f.linear_1.weight", "f.linear_2.weight"}),
        ("", 'over "f.repeat_1.{i}.linear_1.*"', BODY),
        ('freeze = "*.bias", ema = 0.9', 'over "f.repeat_1.{i}.*", "f.linear_2.*"',
         {n for n in BODY | HEAD if n.endswith("weight")}),
        ('freeze = "f.linear_2.*", optimizer = adamw(weight_decay = 0.5)', "over f", BODY | FIRST),
    ],
)  # fmt: skip
def test_only_what_should_move_moves(
    program: Make, tmp_path: Path, settings: str, over: str, expected: set[str]
) -> None:
    text = spec(settings=f", {settings}" if settings else "", over=f" {over}" if over else "")
    assert moved(program(text), tmp_path / "run") == expected


@pytest.mark.parametrize(
    ("settings", "over", "slug"),
    [
        (', freeze = "g.*"', "", "unknown-name"),
        (', freeze = ["f.*", "g.*"]', "", "unknown-name"),
        ("", ' over "f.linear"', "unknown-name"),
        (", freeze = 3", "", "bad-setting"),
        (', freeze = "*a*a*a*b"', "", "weights-rule"),
        ("", ' over "*a*a*a*b"', "weights-rule"),
        ("", " over nothing", "not-a-net"),
    ],
)
def test_what_moves_is_there(tmp_path: Path, settings: str, over: str, slug: str) -> None:
    path = tmp_path / "a.mai"
    path.write_text(spec(settings=settings, over=over))
    diagnostics = check(path).diagnostics
    assert {d.slug for d in diagnostics} == {slug}
    assert all(d.span is not None and d.span.line == 7 for d in diagnostics)


def test_what_is_frozen_leaves_nothing_to_train(program: Make, tmp_path: Path) -> None:
    from mai.spec.diagnostics import MaiError

    with pytest.raises(MaiError, match="no parameter that is trained moves"):
        moved(program(spec(settings=', freeze = "*"')), tmp_path / "run")


def test_a_low_rank_change_is_none_at_first_and_one_matrix_in_the_file(program: Make, tmp_path: Path) -> None:
    """W x + (alpha / rank) B A x, by numpy; and the compiled graph has the operations of the plain one."""
    plain, adapted = (program(t) for t in (spec(), spec("lora", more=", rank = 3, alpha = 6")))
    assert {n for n in adapted.weights if n.endswith((".A", ".B"))} == {
        f"f.{place}.{letter}" for place in ("lora_1", "repeat_1.0.lora_1", "repeat_1.1.lora_1") for letter in "AB"
    }
    weights, _ = load_weights(adapted, None)
    same = {n.replace("lora", "linear"): w for n, w in weights.items()} | {
        "f.linear_2.weight": weights["f.linear_1.weight"], "f.linear_2.bias": weights["f.linear_1.bias"],
        "f.linear_1.weight": weights["f.lora_1.weight"], "f.linear_1.bias": weights["f.lora_1.bias"],
    }  # fmt: skip
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    files = [export(plain, "g", Trained(same), tmp_path / "p"), export(adapted, "g", Trained(weights), tmp_path / "a")]
    first, second = (load(f.path, providers="cpu")(x=x) for f in files)
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert files[0].nodes == files[1].nodes

    rng = np.random.default_rng(1)
    changed = {
        n: rng.standard_normal(w.shape).astype(np.float32) if n.endswith(".B") else w for n, w in weights.items()
    }

    def layer(name: str, h: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        own = {part: changed[f"f.{name}.{part}"] for part in ("weight", "bias", "A", "B")}
        product: np.ndarray = h @ own["weight"].T + own["bias"] + 2 * h @ own["A"].T @ own["B"].T  # type: ignore[type-arg]
        return product

    h = layer("lora_1", x)
    for i in range(2):
        h = h + np.tanh(layer(f"repeat_1.{i}.lora_1", h))
    expected = h @ changed["f.linear_1.weight"].T + changed["f.linear_1.bias"]
    result = load(export(adapted, "g", Trained(changed), tmp_path / "c").path, providers="cpu")(x=x)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_every_product_of_a_llama_can_be_adapted(program: Make) -> None:
    text = (ZOO / "llama.mai").read_text().split("weights from")[0]
    text = text.replace("bias = false)\n", "bias = false, projection = lora(rank = 2))\n", 2)
    for name, value in {"vocab": 97, "d": 48, "depth": 2, "heads": 6, "kv_heads": 2, "hidden": 80}.items():
        text = re.sub(rf"const {name} = \d+", f"const {name} = {value}", text)
    weights = program(text + "export predict(x: tokens[P]) -> [P, vocab] { return logits(x) }\n").weights
    shapes = {
        n.removeprefix("logits.repeat_1.0."): w.shape for n, w in weights.items() if ".0." in n and n.endswith("B")
    }
    assert shapes == {
        "attention_1.lora_1.B": (48, 2), "attention_1.lora_2.B": (16, 2), "attention_1.lora_3.B": (16, 2),
        "attention_1.lora_4.B": (48, 2), "gated_mlp_1.lora_1.B": (80, 2), "gated_mlp_1.lora_2.B": (80, 2),
        "gated_mlp_1.lora_3.B": (48, 2),
    }  # fmt: skip


def test_training_and_evaluation_of_a_low_rank_change_agree(program: Make, tmp_path: Path) -> None:
    """In training it is two thin products, elsewhere one matrix: the same loss."""
    adapted = program(spec("lora", ", seed = 1", ' over "*.A", "*.B"', ", rank = 2"))
    result = train(adapted, tmp_path / "run", Options(device="cpu", quiet=True, steps=20))
    assert result.weights is not None
    state = load_file(result.weights)
    assert all(float(t.abs().max()) > 0 for n, t in state.items() if n.endswith(".B"))
    again = train(adapted, tmp_path / "more", Options(device="cpu", quiet=True, steps=1, weights=result.weights))
    weights, _ = load_weights(adapted, result.weights)
    from mai.compiler.data.batches import load as examples

    assert adapted.training is not None
    x = examples(adapted.training.data, adapted.training.fields, 1, tmp_path).batch(0, 16)["x"]
    y = load(export(adapted, "g", Trained(weights), tmp_path).path, providers="cpu")(x=x)
    assert again.figures["loss"] == pytest.approx(float(((y - x) ** 2).sum(-1).mean()), rel=1e-4)


def test_training_starts_from_the_file(tmp_path: Path) -> None:
    """The spec's file, or the one of --weights, and goes on from a checkpoint with --resume."""
    path = tmp_path / "a.mai"
    path.write_text(spec(settings=', freeze = "f.linear_2.*"') + 'weights from "m.safetensors" { "*" = "old.*" }\n')
    program = check(path).program
    assert program is not None
    parameters = {f"old.{n}": torch.full(w.shape, 0.01) for n, w in program.weights.items()}
    save_file(parameters, tmp_path / "m.safetensors")
    save_file({n: t + 1 for n, t in parameters.items()}, tmp_path / "other.safetensors")
    for weights, value in ((None, 0.01), (tmp_path / "other.safetensors", 1.01)):
        options = Options(device="cpu", quiet=True, weights=weights, steps=2)
        result = train(program, tmp_path / "run", options)
        assert result.weights is not None
        state = load_file(result.weights)
        assert float(state["f.linear_2.bias"][0]) == pytest.approx(value)
        assert 0 < float((state["f.linear_1.bias"] - value).abs().max()) < 0.1
    whole = load_file(train(program, tmp_path / "b", Options(device="cpu", quiet=True, steps=4)).weights or "")
    train(program, tmp_path / "c", Options(device="cpu", quiet=True, steps=2))
    (tmp_path / "m.safetensors").unlink()
    save_file(parameters, tmp_path / "m.safetensors")
    resumed = train(program, tmp_path / "c", Options(device="cpu", quiet=True, steps=4, resume=True))
    assert all(torch.equal(t, whole[n]) for n, t in load_file(resumed.weights or "").items())


def test_gpt2_is_adapted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example, on a small GPT-2: it begins as the model, and A and B alone move."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    case = CASES["gpt2"]
    model = case.model()
    base = program_of(case, tmp_path)
    saved(model, base)
    words = {"[UNK]": 0} | {chr(97 + i): i + 1 for i in range(26)}
    letters = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    letters.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    letters.save(str(tmp_path / "tokenizer.json"))
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the quick brown fox jumps over the lazy dog " * 60)
    spec_file = tmp_path / "gpt2_lora.mai"
    spec_file.write_text((ZOO / "gpt2_lora.mai").read_text())
    checked = check(spec_file, {**{n: str(v) for n, v in case.sets.items()}, "window": "16"})
    assert checked.program is not None, checked.diagnostics
    weights, _ = load_weights(checked.program, None)
    result = load(export(checked.program, "predict", Trained(weights), tmp_path / "a").path, providers="cpu")(
        **case.inputs
    )
    plain = load(export(base, "predict", Trained(load_weights(base, None)[0]), tmp_path / "b").path, providers="cpu")(
        **case.inputs
    )
    np.testing.assert_allclose(result, plain, atol=1e-4)
    changed = moved(checked.program, tmp_path / "run", steps=3, data=(corpus,))
    assert changed == {n for n in weights if n.endswith((".A", ".B"))}
