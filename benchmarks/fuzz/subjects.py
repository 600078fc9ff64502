"""What is broken, and what must not happen then: specs, compiled files, weights and checkpoints."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.mutate import damaged, mutated
from benchmarks.fuzz.trial import Trial, checked, timed

ROOT = Path(__file__).parents[2]
VALUES = [None, True, -1, 0, 2**63, 1e400, "", "x", "__proto__", [], {}, [[]], "9" * 100, {"name": 1}]


@dataclass(frozen=True, slots=True)
class Subject:
    """`make` damages an example; `trial` gives it, as a file at a path, to what reads such files."""

    make: Callable[[random.Random], bytes]
    trial: Callable[[bytes, Path, float], Trial]
    suffix: str


# ----------------------------------------------------------------------- specs


@cache
def _texts() -> tuple[str, ...]:
    return tuple(p.read_text(encoding="utf-8") for p in sorted((ROOT / "examples").rglob("*.mai")))


# -------------------------------------------------------------- compiled files


@cache
def _models() -> tuple[bytes, ...]:
    return tuple(p.read_bytes() for p in sorted((ROOT / "tests" / "compat").rglob("*.onnx")))


def _model(rng: random.Random) -> bytes:
    """Damaged bytes anywhere, or a manifest that says something else."""
    raw = rng.choice(_models())
    return damaged(raw, rng) if rng.random() < 0.5 else _restated(raw, rng)


def _restated(raw: bytes, rng: random.Random) -> bytes:
    import onnx

    from mai.runtime.model.manifest import MANIFEST_KEY

    model = onnx.load_model_from_string(raw)
    stated = {p.key: p.value for p in model.metadata_props}
    stated[MANIFEST_KEY] = json.dumps(edited(json.loads(stated[MANIFEST_KEY]), rng))
    onnx.helper.set_model_props(model, stated)
    mutated: bytes = model.SerializeToString()
    return mutated


def _opened(raw: bytes, path: Path, limit: float) -> Trial:
    """A file opens or is refused by `ModelError`; one whose graph is whole may be called, too."""
    from mai.runtime import ModelError, load

    def attempt() -> tuple[str | None, bool]:
        path.write_bytes(raw)
        try:
            model = load(path, providers="cpu", threads=1)
            if _graph(raw) in {_graph(whole) for whole in _models()}:
                model(**{p.name: np.zeros(_sizes(p), p.dtype) for p in model.inputs.values()})
        except ModelError:
            return None, False
        return None, True

    return timed(attempt, limit)


def _graph(raw: bytes) -> bytes:
    import onnx

    try:
        graph: bytes = onnx.load_model_from_string(raw).graph.SerializeToString(deterministic=True)
    except Exception:  # protobuf's own types
        return b""
    return graph


def _sizes(port: Any) -> list[int]:
    return [2, *(min(abs(s), 64) if isinstance(s, int) else 3 for s in port.shape)]


# --------------------------------------------------------------------- weights


@cache
def _checkpoint() -> bytes:
    import torch
    from safetensors.torch import save

    parts = {
        "weights/f.w": torch.ones(4, 3),
        "average/f.w": torch.ones(4, 3),
        "optimizer/0/f.w/step": torch.tensor(2.0),
    }
    return save(parts, {"step": "2", "seed": "0", "batch": "8", "settings": "{}"})


def _weights(rng: random.Random) -> bytes:
    """Damaged bytes anywhere, or a header that says something else."""
    raw = _checkpoint()
    if rng.random() < 0.5:
        return damaged(raw, rng)
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.dumps(edited(json.loads(raw[8 : 8 + size]), rng)).encode()
    return struct.pack("<Q", len(header)) + header + raw[8 + size :]


def _read(raw: bytes, path: Path, limit: float) -> Trial:
    """Weights and checkpoints are read or refused by `MaiError`."""
    from mai.compiler.training.run.checkpoint import read
    from mai.compiler.weights.tensor_files import TensorFiles
    from mai.spec.diagnostics import MaiError

    def read_weights(path: Path) -> None:
        with TensorFiles(path) as files:
            for name in files.shapes:
                files.read(name)

    def attempt() -> tuple[str | None, bool]:
        path.write_bytes(raw)
        sound = 0
        for reader in (read, read_weights):
            try:
                reader(path)
                sound += 1
            except MaiError:
                continue
        return None, sound > 0

    return timed(attempt, limit)


def edited(stated: Any, rng: random.Random) -> Any:
    """A JSON value with one of its parts exchanged, left out or doubled."""
    if isinstance(stated, dict) and stated and rng.random() < 0.9:
        key = rng.choice(list(stated))
        change = rng.random()
        if change < 0.1:
            return {k: v for k, v in stated.items() if k != key}
        return {**stated, key: edited(stated[key], rng), **({rng.choice("xy"): stated[key]} if change < 0.2 else {})}
    if isinstance(stated, list) and stated and rng.random() < 0.9:
        at = rng.randrange(len(stated))
        return [*stated[:at], edited(stated[at], rng), *stated[at + (rng.random() < 0.8) :]]
    if isinstance(stated, str) and rng.random() < 0.3:
        return stated[: rng.randrange(len(stated) + 1)]
    return rng.choice(VALUES)


SUBJECTS = {
    "specs": Subject(lambda rng: mutated(_texts(), rng), checked, ".mai"),
    "models": Subject(_model, _opened, ".onnx"),
    "weights": Subject(_weights, _read, ".safetensors"),
}
