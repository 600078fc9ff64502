"""Models that read two things: texts and images, sounds and texts, images and noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.imports.making import of_transformers
from benchmarks.imports.subject import Array, Arrays, Subject, rows_alone
from tests.support.models import model_folders as small

RATE = 16000


def _text_and_image(config: Any, export: str) -> tuple[Arrays, Arrays]:
    text, image = config.text_config, config.vision_config
    ids = np.random.default_rng(3).integers(3, small.VOCAB - 4, (2, text.max_position_embeddings))
    if config.model_type == "clip":  # A text has an end, and what follows is not read.
        ids[0, 4:], ids[1, 2:] = small.VOCAB - 1, small.VOCAB - 1
        ids[:, -1] = text.eos_token_id if text.eos_token_id != 2 else small.VOCAB - 1
    shape = (2, image.num_channels, image.image_size, image.image_size)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    ours = {"embed_text": {"x": ids}, "embed_image": {"x": x}, "match": {"x": x, "y": ids}}
    return ours[export], {"input_ids": ids, "pixel_values": x}


def _sound_and_text(config: Any, export: str) -> tuple[Arrays, Arrays]:
    t = np.arange(config.max_source_positions * 320) / RATE
    noise = 0.05 * np.random.default_rng(0).standard_normal((2, len(t)))
    sound = (np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 220 * t**2)]) + noise).astype(np.float32)
    text = np.random.default_rng(3).integers(3, small.VOCAB - 4, (2, 7))
    return {"sound": sound, "x": text}, {"sound": sound, "decoder_input_ids": text}


def _heard(model: Any, export: str, inputs: Arrays) -> Array:
    """Whisper's, with its library's features."""
    from transformers import WhisperFeatureExtractor

    seconds = model.config.max_source_positions / 50
    extractor = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins, chunk_length=seconds)
    extractor.n_samples = len(inputs["sound"][0])
    features = extractor(list(inputs["sound"]), sampling_rate=RATE, return_tensors="np").input_features
    features = features.astype(inputs["sound"].dtype)
    return rows_alone(model, export, {"input_features": features, "decoder_input_ids": inputs["decoder_input_ids"]})


def _write_sound(folder: Path, config: Any) -> None:
    said = {"feature_size": config.num_mel_bins, "chunk_length": config.max_source_positions // 50, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))


def _image_and_noise(config: Any, export: str) -> tuple[Arrays, Arrays]:
    random, size = np.random.default_rng(1), config.image_size
    x = random.standard_normal((2, config.num_channels, size, size)).astype(np.float32)
    noise = random.random((2, (size // config.patch_size) ** 2)).astype(np.float32)
    return {"x": x, "noise": noise}, {"pixel_values": x, "noise": noise}


def _seen(model: Any, export: str, inputs: Arrays) -> Array:
    """ViT-MAE's; its encoder is the model itself, or a part of it."""
    return rows_alone(getattr(model, "vit", model) if export == "encode" else model, export, inputs)


PAIRS = {
    "clip": Subject(of_transformers(small.CLIP), _text_and_image),
    "siglip": Subject(of_transformers(small.SIGLIP), _text_and_image),
    "whisper": Subject(of_transformers(small.WHISPER, _write_sound), _sound_and_text, _heard),
    "vit_mae": Subject(of_transformers(small.MAE), _image_and_noise, _seen),
}
