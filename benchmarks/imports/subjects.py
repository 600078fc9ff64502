"""What is imported: the small models of the tests, in each of their family's classes, with what each export is compared with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mai.spec.family_records import family_records
from tests.support import model_folders as small
from tests.support.decoder_folders import DECODERS
from tests.support.model_folders import Model

Arrays = dict[str, np.ndarray[Any, Any]]
LENGTH = 19  # Of a text; longer than the windows of the tests.


@dataclass(frozen=True, slots=True)
class Subject:
    """`inputs` of a model of a config: those of an export, and those of the reference."""

    case: Model
    inputs: Callable[[Any, str], tuple[Arrays, Arrays]]


def _ids(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(3, small.VOCAB - 4, shape)


def _text(config: Any, export: str) -> tuple[Arrays, Arrays]:
    x = _ids((2, LENGTH))
    if not export.endswith("_pair"):
        return {"x": x}, {"input_ids": x}
    second = np.repeat([[0.0] * 8 + [1.0] * (LENGTH - 8)], 2, 0).astype(np.float32)
    return {"x": x, "second": second}, {"input_ids": x, "token_type_ids": second.astype(np.int64)}


def _two_texts(config: Any, export: str) -> tuple[Arrays, Arrays]:
    x, begun = _ids((2, LENGTH)), _ids((2, 7))
    if export == "encode":
        return {"x": x}, {"input_ids": x}
    if export == "classify":
        x[:, -1] = config.eos_token_id
        return {"x": x}, {"input_ids": x}
    return {"source": x, "x": begun}, {"input_ids": x, "decoder_input_ids": begun}


def _image(config: Any, export: str) -> tuple[Arrays, Arrays]:
    size = getattr(config, "image_size", 32)
    shape = (2, getattr(config, "num_channels", 3), size, size)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    return {"x": x}, {"pixel_values": x}


def _sound(config: Any, export: str) -> tuple[Arrays, Arrays]:
    x = (np.random.default_rng(1).standard_normal((2, 400)) * 2 + 0.3).astype(np.float32)
    return {"sound": x}, {"input_values": x}


def subjects() -> dict[str, Subject]:
    """By the names that the tests have for them."""
    kinds = [
        (DECODERS, _text),
        (small.ENCODERS, _text),
        (small.SEQ2SEQ, _two_texts),
        (small.IMAGES, _image),
        (small.SOUNDS, _sound),
    ]
    return {name: Subject(case, inputs) for cases, inputs in kinds for name, case in cases.items()}


def other_class(case: Model, rng: random.Random) -> str:
    """One of the classes of its family, of those that transformers has."""
    import transformers

    record = next(r for r in family_records().values() if case.model in r.get("architectures", {}))
    known = [name for name in record["architectures"] if hasattr(transformers, name)]
    stem = case.config.removesuffix("Config").removesuffix("Text")
    others = [n for n in dir(transformers) if n.startswith(f"{stem}For")]
    return rng.choice(known if rng.random() < 0.85 else others or known)


FIELDS = {"encode": "last_hidden_state", "encode_pair": "last_hidden_state", "pool": "pooler_output"}


def reference(model: Any, export: str, inputs: Arrays) -> np.ndarray[Any, Any]:
    """What transformers computes of each row alone."""
    rows = []
    for i in range(len(next(iter(inputs.values())))):
        tensors = {name: torch.from_numpy(value[i : i + 1]) for name, value in inputs.items()}
        with torch.inference_mode():
            result = model(**tensors)
        rows.append(_result(result, export)[0].float().numpy())
    return np.stack(rows)


def _result(result: Any, export: str) -> torch.Tensor:
    if export.startswith("answer"):
        return torch.stack([result.start_logits, result.end_logits], -1)
    field = FIELDS.get(export, "logits")
    tensor: torch.Tensor = result[field] if field in result else result[0]
    return tensor


def greedy(model: Any, prompts: np.ndarray[Any, Any], count: int) -> Iterator[list[int]]:
    """The likeliest tokens after each prompt, each found from the whole text."""
    for prompt in prompts:
        text = torch.from_numpy(prompt)[None]
        with torch.inference_mode():
            for _ in range(count):
                text = torch.cat([text, model(text).logits[:, -1].argmax(-1, keepdim=True)], -1)
        yield text[0].tolist()
