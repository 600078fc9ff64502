"""Folders of decoders become specs that compute what transformers computes, and go on with the same tokens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.compile_options import CompileOptions
from mai.compiler.compiling import compile_all
from mai.compiler.importing.importing import import_folder
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.errors import ModelError
from tests.support.models.compiled_folders import compiled_file, compiled_files
from tests.support.models.decoder_folders import DECODERS
from tests.support.models.model_folders import VOCAB, imported, save
from tests.support.models.tokenizers import word_tokenizer
from tests.support.models.zoo import tokens

QUICK = {"gpt2", "llama"}
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in DECODERS]
TOLERANCE = 1e-4


def greedy(model: object, prompt: np.ndarray, count: int) -> list[int]:
    """The likeliest tokens after a prompt, each found from the whole text."""
    text = torch.from_numpy(prompt)[None]
    with torch.inference_mode():
        for _ in range(count):
            text = torch.cat([text, model(text).logits[:, -1].argmax(-1, keepdim=True)], -1)  # type: ignore[operator]
    return text[0].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_computes_what_transformers_does(name: str, tmp_path: Path) -> None:
    model = DECODERS[name].make()
    save(model, tmp_path)
    files = compiled_files(imported(tmp_path), tmp_path, ["predict", "generate"])
    x = np.minimum(tokens(3, 23), VOCAB - 1)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).logits.numpy()
    result = files["predict"](x=x)
    assert expected.std() > 0.1
    np.testing.assert_allclose(result, expected, atol=TOLERANCE * max(1, np.abs(expected).max()), rtol=0)
    grow = files["generate"]
    prompts = [x[0, :11], x[1, :2], x[2, :6]]
    together = grow(prompt=prompts, count=12, temperature=0.0, stop=-1)
    for prompt, row in zip(prompts, together, strict=True):
        wanted = greedy(model, prompt, 12)
        assert row.tolist() == wanted
        assert grow(prompt=prompt[None], count=12, temperature=0.0, stop=-1)[0].tolist() == wanted


@pytest.mark.parametrize(("kind", "name"), [
    ("LlamaModel", "encode"), ("LlamaForSequenceClassification", "classify"), ("LlamaForTokenClassification", "tag")])  # fmt: skip
def test_other_heads(kind: str, name: str, tmp_path: Path) -> None:
    """Of texts of different lengths, in one batch, and filled up with the token of the padding, which transformers looks before."""
    model = replace(DECODERS["llama"], model=kind).make()
    model.config.pad_token_id = 2
    save(model, tmp_path)
    lengths, x = (13, 4, 9), np.clip(tokens(3, 13), 3, VOCAB - 1)
    seen = np.arange(13) < np.array(lengths)[:, None]
    filled = np.where(seen, x, 2)
    with torch.inference_mode():
        expected = model(torch.from_numpy(filled), attention_mask=torch.from_numpy(seen).long())[0].numpy()
    file = compiled_file(imported(tmp_path), name, tmp_path)
    together = file(x=[row[:n] for row, n in zip(x, lengths, strict=True)])
    for result in (together, file(x=filled)):
        for i, n in enumerate(lengths):
            kept = slice(None) if name == "classify" else slice(n)
            np.testing.assert_allclose(result[i][kept], expected[i][kept], atol=TOLERANCE * max(1, np.abs(expected).max()), rtol=0)  # fmt: skip


def test_several_files_of_bfloat16(tmp_path: Path) -> None:
    model = DECODERS["llama"].make().bfloat16()
    save(model, tmp_path, shard="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    program = imported(tmp_path)
    weights = load_weights(program, None)[0]
    assert np.array_equal(weights["logits.token"], model.model.embed_tokens.weight.detach().float().numpy())


def test_what_a_generation_says_and_its_tokenizer(tmp_path: Path) -> None:
    """Defaults of the export, several ends, and texts that get the tokenizer's special tokens."""
    save(DECODERS["llama"].make(), tmp_path)
    said = {
        "do_sample": True,
        "temperature": 0.7,
        "top_k": 7,
        "top_p": 0.9,
        "eos_token_id": [3, 5],
        "max_new_tokens": 9,
    }
    (tmp_path / "generation_config.json").write_text(
        json.dumps({**said, "repetition_penalty": 1.2, "typical_p": 0.8, "suppress_tokens": [2, 4]})
    )
    (tmp_path / "tokenizer.json").write_text(word_tokenizer("<s> $A"))
    program = imported(tmp_path)
    text = " ".join(program.source.text.split())
    assert "temperature: real = 0.7, top_k: int = 7, top_p: real = 0.9, min_p" in text
    assert (
        "min_p: real = 0, typical_p: real = 0.8, repetition_penalty: real = 1.2, presence_penalty: real = 0, frequency_penalty: real = 0, stop: token = 3"
        in text
    )
    assert "until stop or 5 {" in program.source.text
    assert (
        "penalise(without(logits(x)[-1], [2, 4]), x, repetition_penalty, presence_penalty, frequency_penalty)" in text
    )
    compile_all(program, ["generate"], None, tmp_path, CompileOptions(step=False))
    grown = load(tmp_path / "model.generate.onnx", providers="cpu")(prompt="red fish", count=0)
    assert grown == "red fish"
    assert load(tmp_path / "model.generate.onnx", providers="cpu").manifest.special_tokens


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_several_ends_in_the_config(name: str, tmp_path: Path) -> None:
    save(DECODERS[name].make(), tmp_path, eos_token_id=[3, 5])
    (tmp_path / "generation_config.json").unlink(missing_ok=True)
    assert "until stop or 5 {" in imported(tmp_path).source.text
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": 7}))
    assert "stop: token = 7" in " ".join(imported(tmp_path).source.text.split())
    assert import_folder(tmp_path, tmp_path / "m.mai").is_endless == (name == "llama")  # GPT-2 has a table of places.


def test_a_text_longer_than_its_rates(tmp_path: Path) -> None:
    """Beyond the texts of its training a LongRoPE has other rates: such texts are refused."""
    save(DECODERS["phi3, long"].make(), tmp_path)
    file = compiled_file(imported(tmp_path), "generate", tmp_path)
    with pytest.raises(ModelError, match="this model reads at most 48 tokens"):
        file(prompt=[3, 4, 5], count=47)


ALL_END = list(range(1, VOCAB))


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        {"min_new_tokens": 3},
        {"min_length": 9},
        {"min_length": 9, "min_new_tokens": 2, "num_beams": 3, "eos_token_id": ALL_END[::2]},
    ],
)
def test_a_text_that_may_not_end_or_go_on_as_it_would(said: dict[str, object], tmp_path: Path) -> None:
    """What transformers' `generate` makes, by whose rule the number of new tokens wins over that of all."""
    model = DECODERS["llama"].make()
    save(model, tmp_path)
    said = {"max_new_tokens": 7, "eos_token_id": ALL_END, "pad_token_id": 0, **said}
    (tmp_path / "generation_config.json").write_text(json.dumps(said))
    grow = compiled_file(imported(tmp_path), "generate", tmp_path)
    prompts = [[5, 9, 33, 7], [8, 60]]
    for prompt, row in zip(prompts, grow(prompt=prompts), strict=True):
        assert row.tolist() == model.generate(torch.tensor([prompt]), do_sample=False, **said)[0].tolist()


# What transformers' `generate` takes where `generation_config.json` has no value.
DEFAULTS = {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "typical_p": 1.0, "repetition_penalty": 1.0, "num_beams": 1}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_generation_that_says_null(name: str, tmp_path: Path) -> None:
    """As if it said nothing, or the default."""
    save(DECODERS["llama"].make(), tmp_path)
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({"do_sample": True}))
    plain = imported(tmp_path).source.text
    for value in (None, DEFAULTS[name]):
        path.write_text(json.dumps({"do_sample": True, name: value}))
        assert imported(tmp_path).source.text == plain
