"""Folders of models that make a text from another one: what transformers computes, and the same texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.importing.importing import import_folder
from mai.spec.diagnostics import MaiError
from tests.support.models.compiled_folders import compiled_file, compiled_files
from tests.support.models.model_folders import SEQ2SEQ, VIT, VOCAB, imported, save
from tests.support.models.tokenizers import word_tokenizer
from tests.support.models.zoo import shaken, tokens

QUICK = {"t5"}
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in SEQ2SEQ]
LENGTHS, COUNT = (40, 3, 17), 14


def sources() -> list[np.ndarray]:
    """Texts of different lengths, without tokens that a config may use for padding, its start or its end."""
    return [np.clip(row[:n], 3, VOCAB - 4) for row, n in zip(tokens(3, max(LENGTHS)), LENGTHS, strict=True)]


def small(name: str) -> Any:
    """A model whose tokens say less of the next one than its layers: else a text would repeat its first token."""
    model = SEQ2SEQ[name].make()
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(0.2)
        for key, weight in model.named_parameters():
            weight.mul_(3 if "decoder" in key and "Attention" in key and weight.dim() == 2 else 1)
    return model


def start_of(model: Any) -> int:
    start = model.config.decoder_start_token_id if hasattr(model.config, "decoder_start_token_id") else None
    return int(model.config.pad_token_id if start is None else start)


def greedy(model: Any, source: np.ndarray, count: int, *start: int) -> list[int]:
    """The likeliest tokens after the start and a beginning, each computed from the whole text."""
    text = torch.tensor([[start_of(model), *start]])
    with torch.inference_mode():
        for _ in range(count):
            z = model(input_ids=torch.from_numpy(source)[None], decoder_input_ids=text).logits[:, -1]
            text = torch.cat([text, z.argmax(-1, keepdim=True)], -1)
    return text[0, 1 + len(start) :].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_computes_what_transformers_does(name: str, tmp_path: Path) -> None:
    model = small(name)
    save(model, tmp_path)
    files = compiled_files(imported(tmp_path), tmp_path, ["predict", "generate"])
    texts, starts = sources(), np.clip(tokens(3, 23), 3, VOCAB - 4)
    together = files["predict"](source=texts, x=starts)
    for text, x, row in zip(texts, starts, together, strict=True):
        with torch.inference_mode():
            ids = {"input_ids": torch.from_numpy(text)[None], "decoder_input_ids": torch.from_numpy(x)[None]}
            expected = model(**ids).logits[0].numpy()
        assert expected.std() > 0.1
        np.testing.assert_allclose(row, expected, atol=1e-4 * max(1, np.abs(expected).max()), rtol=0)
    grow = files["generate"]
    language = {"language": 5} if name == "m2m_100" else {}
    texts_of_file = grow(source=texts, count=COUNT, stop=-1, **language)
    ends = getattr(model.generation_config, "forced_eos_token_id", None)
    for text, row in zip(texts, texts_of_file, strict=True):
        wanted = greedy(model, text, COUNT, *language.values())
        wanted[-1] = wanted[-1] if ends is None else ends
        assert row.tolist() == wanted
        assert grow(source=text[None], count=COUNT, stop=-1, **language)[0].tolist() == wanted


def compare_texts(model: Any, folder: Path, said: dict[str, Any], count: int, first: int) -> None:
    """The texts of a folder with a generation config are transformers', of which the `first` tokens are not drawn."""
    (folder / "generation_config.json").write_text(json.dumps(said))
    grow = compiled_file(imported(folder), "generate", folder)
    texts = grow(source=sources(), count=count)
    most = count + first - 1
    for source, text in zip(sources(), texts, strict=True):
        with torch.inference_mode():
            wanted = model.generate(torch.from_numpy(source)[None], **said, max_new_tokens=most, do_sample=False)
        assert [t for t in text.tolist() if t >= 0] == wanted[0, first:].tolist()


def test_a_language_and_a_forced_end(tmp_path: Path) -> None:
    """M2M-100, drawn or searched: `count` tokens behind the language, of which the last one is an end."""
    model = small("m2m_100")
    save(model, tmp_path)
    for beams in (1, 3):
        said = {
            "num_beams": beams,
            "forced_bos_token_id": 7,
            "forced_eos_token_id": 28,
            "eos_token_id": 28,
            "decoder_start_token_id": 2,
        }
        compare_texts(model, tmp_path, said, count=5, first=2)


def test_a_search_of_several_beams(tmp_path: Path) -> None:
    """Forbidden tokens, a forced first one, a forced end: what transformers' `generate` finds."""
    model = small("marian")
    save(model, tmp_path)
    said = {"num_beams": 3, "bad_words_ids": [[VOCAB - 1], [28]], "forced_bos_token_id": 7, "forced_eos_token_id": 0,
            "eos_token_id": 0, "decoder_start_token_id": VOCAB - 1, "pad_token_id": VOCAB - 1}  # fmt: skip
    (tmp_path / "generation_config.json").write_text(json.dumps(said))
    grow = compiled_file(imported(tmp_path), "generate", tmp_path)
    texts_of_file = grow(source=sources(), count=6)
    for text, row in zip(sources(), texts_of_file, strict=True):
        settings = {**said, "max_new_tokens": 6, "do_sample": False}
        with torch.inference_mode():
            wanted = model.generate(torch.from_numpy(text)[None], **settings)[0, 1:].tolist()
        assert [t for t in row.tolist() if t >= 0] == wanted


SUMMARY = {"num_beams": 3, "early_stopping": True, "length_penalty": 2.0, "no_repeat_ngram_size": 2, "min_length": 6, "forced_bos_token_id": 0,
           "forced_eos_token_id": 2, "eos_token_id": 2, "decoder_start_token_id": 2, "pad_token_id": 1, "bos_token_id": 0}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"repetition_penalty": 1.3}, {"num_beams": 1, "no_repeat_ngram_size": 1}])
def test_what_summaries_are_made_by(changes: dict[str, Any], tmp_path: Path) -> None:
    """As published for BART: no three tokens twice, not too short, done with the first texts that end."""
    model = small("bart")
    save(model, tmp_path)
    said = {**SUMMARY, **changes}
    compare_texts(model, tmp_path, said, count=9, first=1)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"bad_words_ids": [[3, 4]]}, "words of several tokens cannot be forbidden"),
        ({"forced_eos_token_id": 3}, "a text can be forced to end with one of its ends alone"),
        ({"num_beams": 4, "do_sample": True}, "a search of several beams is known without draws"),
        ({"encoder_no_repeat_ngram_size": 3}, "`encoder_no_repeat_ngram_size` is 3"),
    ],
)
def test_what_is_not_known(said: dict[str, Any], message: str, tmp_path: Path) -> None:
    save(SEQ2SEQ["marian"].make(), tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps(said))
    with pytest.raises(MaiError, match=message):
        imported(tmp_path)


def test_texts_are_read_and_written(tmp_path: Path) -> None:
    """With a tokenizer: what is read has its special tokens, what is written begins behind the start."""
    save(small("bart"), tmp_path)
    (tmp_path / "tokenizer.json").write_text(word_tokenizer("<s> $A </s>"))
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    folder = import_folder(tmp_path, tmp_path / "m.mai")
    assert folder.asked == "source" and not folder.has_chat
    grow = compiled_file(imported(tmp_path), "generate", tmp_path, word_tokenizer("<s> $A </s>"))
    assert isinstance(grow(source="red fish", count=3), str)
    assert len(grow(source=["red fish", "one"], count=3)) == 2


WRITTEN = {
    "vit": {"activation_function": "relu", "scale_embedding": True, "use_learned_position_embeddings": False, "layernorm_embedding": False},
    "deit": {"cross_attention_hidden_size": 24},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_written_in_an_image(kind: str, tmp_path: Path) -> None:
    """TrOCR, whose images have vectors of another width than its texts."""
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    decoder = {
        "vocab_size": VOCAB, "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 48, "init_std": 0.2,
        "max_position_embeddings": 40, **WRITTEN[kind]}  # fmt: skip
    encoder = {**VIT, "hidden_size": 24, "initializer_range": 0.2}
    config = library.VisionEncoderDecoderConfig(
        encoder={**encoder, "model_type": kind}, decoder={**decoder, "model_type": "trocr"}
    )
    torch.manual_seed(0)
    model = shaken(library.VisionEncoderDecoderModel(config=config))
    save(model, tmp_path)
    files = compiled_files(imported(tmp_path), tmp_path, ["predict", "read"])
    images = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    text = np.array([[2, 9, 33, 7, 61], [2, 8, 60, 4, 4]])
    with torch.inference_mode():
        expected = model(torch.from_numpy(images), decoder_input_ids=torch.from_numpy(text)).logits.numpy()
    result = files["predict"](image=images, x=text)
    assert expected.std() > 0.1
    np.testing.assert_allclose(result, expected, atol=1e-4 * max(1, np.abs(expected).max()), rtol=0)
    read = files["read"]
    for image, row in zip(images, read(image=images, count=7, stop=-1), strict=True):
        tokens_so_far = torch.tensor([[2]])
        with torch.inference_mode():
            for _ in range(7):
                z = model(torch.from_numpy(image)[None], decoder_input_ids=tokens_so_far).logits[:, -1]
                tokens_so_far = torch.cat([tokens_so_far, z.argmax(-1, keepdim=True)], -1)
        assert row.tolist() == tokens_so_far[0, 1:].tolist()
