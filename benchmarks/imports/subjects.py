"""What is imported: the small models of the tests, in each of their family's classes, with what each export is compared with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.imports.making import of_transformers
from benchmarks.imports.pairs import PAIRS
from benchmarks.imports.pictures import subjects_of_pictures
from benchmarks.imports.pictures_of_texts import PICTURES_OF_TEXTS
from benchmarks.imports.rwkv import RWKV
from benchmarks.imports.subject import Array, Arrays, Subject
from tests.support.models import model_folders as small
from tests.support.models.decoder_folders import DECODERS

LENGTH = 19  # Of a text; longer than the windows of the tests.
SIDE = 32  # Of images, where the config does not say it.


def _ids(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(3).integers(3, small.VOCAB - 4, shape)


def _text(config: Any, export: str) -> tuple[Arrays, Arrays]:
    x = _ids((2, LENGTH))
    if not export.endswith("_pair"):
        return {"x": x}, {"input_ids": x}
    second = np.repeat([[0.0] * 8 + [1.0] * (LENGTH - 8)], 2, 0).astype(np.float32)
    return {"x": x, "second": second}, {"input_ids": x, "token_type_ids": second.astype(np.int64)}


def _two_texts(config: Any, export: str) -> tuple[Arrays, Arrays]:
    x, answer = _ids((2, LENGTH)), _ids((2, 7))
    if export == "encode":
        return {"x": x}, {"input_ids": x}
    if export == "classify":
        x[:, -1] = config.eos_token_id
        return {"x": x}, {"input_ids": x}
    return {"source": x, "x": answer}, {"input_ids": x, "decoder_input_ids": answer}


def _image(config: Any, export: str) -> tuple[Arrays, Arrays]:
    inside = getattr(config, "backbone_config", None) or config
    size = SIDE if config.model_type == "segformer" else getattr(inside, "image_size", SIDE)
    sides = [size, size] if isinstance(size, int) else size
    shape = (2, getattr(inside, "num_channels", 3), *sides)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    return {"x": x}, {"pixel_values": x}


def _sound(config: Any, export: str) -> tuple[Arrays, Arrays]:
    x = (np.random.default_rng(1).standard_normal((2, 400)) * 2 + 0.3).astype(np.float32)
    return {"sound": x}, {"input_values": x}


def _spectrogram(config: Any, export: str) -> tuple[Arrays, Arrays]:
    x = np.random.default_rng(1).standard_normal((2, config.max_length, config.num_mel_bins)).astype(np.float32)
    return {"x": x}, {"input_values": x}


def _write_image_size(folder: Path, config: Any) -> None:
    said = {"do_resize": True, "size": {"height": SIDE, "width": SIDE}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))


Inputs = Callable[[Any, str], tuple[Arrays, Arrays]]
KINDS: list[tuple[dict[str, small.Model], Inputs]] = [
    (DECODERS, _text),
    (small.ENCODERS, _text),
    (small.SEQ2SEQ, _two_texts),
    (small.IMAGES, _image),
    (small.DEPTHS, _image),
    ({f"mobilevit, {name}": case for name, case in small.MOBILES.items()}, _image),
    (small.DETECTORS, _image),
    (small.SOUNDS, _sound),
    ({f"ast, {name}": case for name, case in small.SPECTROGRAMS.items()}, _spectrogram),
]


def subjects() -> dict[str, Subject]:
    """By the names that the tests have for them."""
    of_kinds = {name: Subject(of_transformers(case), inputs) for cases, inputs in KINDS for name, case in cases.items()}
    segments = {
        f"segformer, {name}": Subject(of_transformers(case, _write_image_size), _image)
        for name, case in small.SEGMENTS.items()
    }
    return {**of_kinds, **segments, **PAIRS, **RWKV, **subjects_of_pictures(), **PICTURES_OF_TEXTS}


def greedy(model: Any, prompts: Array, count: int) -> Iterator[list[int]]:
    """The likeliest tokens after each prompt, each found from the whole text."""
    for prompt in prompts:
        text = torch.from_numpy(prompt)[None]
        with torch.inference_mode():
            for _ in range(count):
                text = torch.cat([text, model(text).logits[:, -1].argmax(-1, keepdim=True)], -1)
        yield text[0].tolist()
