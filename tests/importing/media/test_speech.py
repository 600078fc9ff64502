"""Whisper's folders: from a sound to its text in one file, features included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.spec.diagnostics import MaiError
from tests.support.models.compiled_folders import compiled_files
from tests.support.models.model_folders import SOUNDS, SPECTROGRAMS, WHISPER, imported, save
from tests.support.models.tokenizers import word_tokenizer

SECONDS, RATE, COUNT = 1, 16000, 9
LANGUAGES = {"lang_to_id": {"<|en|>": 91, "<|de|>": 92}, "task_to_id": {"transcribe": 93, "translate": 94},
             "no_timestamps_token_id": 95, "is_multilingual": True}  # fmt: skip


def sounds() -> np.ndarray:
    """Half a second of two tones and noise, and a second of another tone."""
    t = np.arange(SECONDS * RATE) / RATE
    noise = np.random.default_rng(0).standard_normal(t.shape)
    first = np.sin(2 * np.pi * 440 * t) + 0.3 * np.sin(2 * np.pi * 3000 * t) + 0.05 * noise
    first[RATE // 2 :] = 0
    return np.stack([first, np.sin(2 * np.pi * 220 * t**2)]).astype(np.float32)


def features(x: np.ndarray) -> torch.Tensor:
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    extractor = library.WhisperFeatureExtractor(feature_size=20, chunk_length=SECONDS)
    return extractor(list(x), sampling_rate=RATE, return_tensors="pt").input_features


def greedy(model: Any, x: torch.Tensor, start: list[int]) -> list[int]:
    """The likeliest tokens that are allowed, each found from the whole text."""
    text = torch.tensor([start])
    with torch.inference_mode():
        for turn in range(COUNT):
            z = model(input_features=x, decoder_input_ids=text).logits[:, -1]
            z[:, [7, *([5, 1] if turn == 0 else [])]] = -1e9
            text = torch.cat([text, z.argmax(-1, keepdim=True)], -1)
    return text[0, len(start) :].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("said", [{}, LANGUAGES], ids=["plain", "languages"])
def test_a_sound_is_transcribed(said: dict[str, Any], tmp_path: Path) -> None:
    model = WHISPER.make()
    with torch.no_grad():
        model.model.decoder.embed_tokens.weight.mul_(0.2)
    save(model, tmp_path)
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | said))
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"feature_size": 20, "chunk_length": SECONDS, "n_fft": 400})
    )
    files = compiled_files(imported(tmp_path), tmp_path, ["predict", "transcribe"])
    x, text = sounds(), np.array([[90, 3, 17, 4, 60, 22], [90, 8, 9, 10, 11, 12]])
    with torch.inference_mode():
        expected = model(input_features=features(x), decoder_input_ids=torch.from_numpy(text)).logits.numpy()
    result = files["predict"](sound=x, x=text)
    assert expected.std() > 0.1
    np.testing.assert_allclose(result, expected, atol=2e-4 * np.abs(expected).max(), rtol=0)
    grow = files["transcribe"]
    start, settings = ([90, 92, 93, 95], {"language": 92}) if said else ([90], {})
    together = grow(sound=x, count=COUNT, stop=-1, **settings)
    short = grow(sound=x[:1, : RATE // 2], count=COUNT, stop=-1, **settings)
    assert short.tolist() == together[:1].tolist()
    for wave, row in zip(x, together, strict=True):
        assert row.tolist() == greedy(model, features(wave[None]), start)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"feature_size": 20, "chunk_length": 1, "hop_length": 80}, "`hop_length` is 80; known here: 160"),
        ({"feature_size": 20, "chunk_length": 2}, "`chunk_length` is 2, `max_source_positions` is 50"),
        ({"chunk_length": 1}, "`feature_size` is 80, `num_mel_bins` is 20"),
    ],
)
def test_another_preprocessor(said: dict[str, int], message: str, tmp_path: Path) -> None:
    save(WHISPER.make(), tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    with pytest.raises(MaiError, match=message):
        imported(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECTROGRAMS)
def test_a_spectrogram_becomes_vectors_or_classes(name: str, tmp_path: Path) -> None:
    """AST, whose features the folder's preprocessor makes."""
    model = SPECTROGRAMS[name].make()
    save(model, tmp_path)
    files = compiled_files(imported(tmp_path), tmp_path)
    shape = (2, model.config.max_length, model.config.num_mel_bins)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    with torch.inference_mode():
        said = model(torch.from_numpy(x))
    fields = {"classify": "logits", "encode": "last_hidden_state", "pool": "pooler_output"}
    for export_name, file in files.items():
        wanted = said[fields[export_name]].numpy()
        result = file(x=x)
        assert wanted.std() > 0.1
        np.testing.assert_allclose(result, wanted, atol=1e-4 * max(1, np.abs(wanted).max()), rtol=0)


def of_moments(logits: torch.Tensor, none: int) -> list[int]:
    """The likeliest token of each moment, without repetitions and without the one for none."""
    best = logits.argmax(-1).tolist()
    return [t for t, before in zip(best, [None, *best], strict=False) if t not in (before, none)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("normalised", [None, True, False])
def test_a_sound_becomes_tokens_of_its_moments(name: str, normalised: bool | None, tmp_path: Path) -> None:
    """wav2vec 2.0 and HuBERT, with a preprocessor that changes sounds, one that does not, and none."""
    if normalised is not None and name != "wav2vec2":
        return
    model, none = SOUNDS[name].make(), SOUNDS[name].settings.get("pad_token_id", 0)
    save(model, tmp_path)
    if normalised is not None:
        said = {
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
            "do_normalize": normalised,
            "sampling_rate": 16000,
        }
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    (tmp_path / "tokenizer.json").write_text(word_tokenizer("<s> $A"))
    x = (3 * sounds()[:, : RATE // 4] + 0.5).astype(np.float32)
    taken = torch.from_numpy(x)
    if normalised:
        taken = (taken - taken.mean(-1, keepdim=True)) / (taken.var(-1, keepdim=True, unbiased=False) + 1e-7).sqrt()
    with torch.inference_mode():
        expected = model(taken)[0]
    assert expected.std() > 0.1
    program = imported(tmp_path)
    assert "tokenizer" not in program.source.text  # Its decoder would leave out repetitions once more.
    file = compiled_files(program, tmp_path)
    for export_name in {"predict", "classify", "encode"} & set(file):
        tokens = file[export_name](sound=x)
        np.testing.assert_allclose(tokens, expected.numpy(), atol=1e-4 * max(1, expected.abs().max()), rtol=0)
    if "transcribe" in file:
        rows = file["transcribe"](sound=x)
        for wave, row, z in zip(x, rows, expected, strict=True):
            assert [t for t in row.tolist() if t >= 0] == of_moments(z, none)
            assert len(row) == len(z)
            assert file["transcribe"](sound=wave[None])[0].tolist() == row.tolist()
