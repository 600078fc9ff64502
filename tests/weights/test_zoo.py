"""The zoo: known networks with the reference implementation's own state dict compute what the reference computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from tests.support.cases.growing_texts import side_by_side
from tests.support.models.zoo import CASES, PADDED, ZOO, program_of, saved

TOLERANCE = 1e-4
RECURRENT = ("mamba", "mamba2", "rwkv")


@pytest.mark.parametrize("name", CASES)
def test_the_zoo_computes_what_the_reference_does(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model, program = case.model(), program_of(case, tmp_path)
    saved(model, program)
    weights, _ = load_weights(program, None)
    with torch.inference_mode():
        expected = case.expected(model, case.inputs).numpy()
    result = load(export(program, case.export, Trained(weights), tmp_path).path, providers="cpu")(**case.inputs)
    assert result.shape == expected.shape
    assert expected.std() > 0.1
    kept = slice(None) if case.seen is None else case.seen
    assert np.abs(result[kept] - expected[kept]).max() < TOLERANCE * max(1, np.abs(expected).max())


@pytest.mark.parametrize("name", ["llama, stretched as 3.1", "qwen2", "mistral", "mixtral", "gemma2", *RECURRENT])
def test_the_incremental_form_generates_what_the_reference_does(name: str, tmp_path: Path) -> None:
    """Stretched positions, biases of the keys, windows, experts, capped scores and recurrences, a token at a time."""
    case = CASES[name]
    model, program = case.model(), program_of(case, tmp_path)
    saved(model, program)
    compiled = load(
        export(program, "generate", Trained(load_weights(program, None)[0]), tmp_path).path, providers="cpu"
    )
    prompt = case.inputs["x"][:, :12]
    result = compiled(prompt=prompt, count=24, temperature=0.0, stop=-1)
    text = torch.from_numpy(prompt)
    with torch.inference_mode():
        for _ in range(24):
            text = torch.cat([text, model(text).logits[:, -1].argmax(-1, keepdim=True)], -1)
    np.testing.assert_array_equal(result, text.numpy())


@pytest.mark.parametrize("name", RECURRENT)
def test_prompts_side_by_side_are_read_as_if_alone(name: str, tmp_path: Path) -> None:
    """Of different lengths, some longer than a block of the prompt."""
    case = CASES[name]
    model, program = case.model(), program_of(case, tmp_path)
    saved(model, program)
    path = export(program, "generate", Trained(load_weights(program, None)[0]), tmp_path).path
    rows = [np.resize(case.inputs["x"], size) for size in (140, 3, 21)]
    result = load(path, providers="cpu")(prompt=side_by_side(rows), count=6, temperature=0.0, stop=-1)
    for text, prompt in zip(result, rows, strict=True):
        alone = torch.from_numpy(prompt)[None]
        with torch.inference_mode():
            for _ in range(6):
                alone = torch.cat([alone, model(alone).logits[:, -1].argmax(-1, keepdim=True)], -1)
        np.testing.assert_array_equal(text[140 - len(prompt) :], alone[0].numpy())


def test_padding_is_not_looked_at(tmp_path: Path) -> None:
    """Other tokens where there is padding change nothing that counts."""
    case = CASES["bert"]
    program = program_of(case, tmp_path)
    saved(case.model(), program)
    model = load(export(program, "encode", Trained(load_weights(program, None)[0]), tmp_path).path, providers="cpu")
    other = {**PADDED, "x": np.where(PADDED["seen"] > 0, PADDED["x"], 5)}
    seen = PADDED["seen"] > 0
    np.testing.assert_allclose(model(**other)[seen], model(**PADDED)[seen], atol=1e-6)
    assert not np.allclose(model(**{**PADDED, "seen": np.ones_like(PADDED["seen"])})[seen], model(**PADDED)[seen])


@pytest.mark.parametrize("path", sorted(ZOO.glob("*.mai")), ids=lambda p: p.stem)
def test_the_specs_are_short_and_sound_as_they_stand(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 100
    assert check(path).diagnostics == []
