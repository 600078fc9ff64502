"""Samplers of diffusers that draw what texts say: other fields of their networks and schedulers, compared on the same noise and texts."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.imports.changes import fields_of
from benchmarks.imports.making import other_values
from benchmarks.imports.subject import Array, Arrays, Subject
from tests.support.models.text_samplers import LATENT, SAMPLERS, inputs_of, saved, with_rows

STEPS = (1, 2, 3, 7, 12)
SCHEDULERS = (
    "PNDM",
    "DDIM",
    "EulerDiscrete",
    "HeunDiscrete",
    "LMSDiscrete",
    "DPMSolverMultistep",
    "UniPCMultistep",
)  # Of the samplers that do not flow.


@dataclass(frozen=True, slots=True)
class Drawing:
    """A pipeline that draws in so many steps."""

    pipeline: Any
    name: str
    steps: int

    @property
    def config(self) -> Drawing:
        return self


def _make(name: str, folder: Path, rng: random.Random, changed: list[str]) -> Drawing:
    import diffusers

    saved(name, folder)
    if "FlowMatch" not in SAMPLERS[name][2] and rng.random() < 0.6:
        _put_scheduler(folder, f"{rng.choice(SCHEDULERS)}Scheduler", changed)
    files = sorted(folder.glob("*/config.json"))
    _change(rng.choice([folder / "scheduler" / "scheduler_config.json", rng.choice(files)]), rng, changed)
    index = json.loads((folder / "model_index.json").read_text())
    none = {part: None for part, of in index.items() if isinstance(of, list) and not any(of)}
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, **none)
    return Drawing(with_rows(pipeline), name, rng.choice(STEPS))


def _put_scheduler(folder: Path, kind: str, changed: list[str]) -> None:
    import diffusers

    settings = {"skip_prk_steps": True} if kind.startswith("PNDM") else {}
    getattr(diffusers, kind)(**LATENT, **settings).save_pretrained(folder / "scheduler")
    file = folder / "model_index.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "scheduler": ["diffusers", kind]}))
    changed.append(kind)


def _change(file: Path, rng: random.Random, changed: list[str]) -> None:
    """Other values of some fields of a part's file."""
    said = json.loads(file.read_text())
    values = other_values({name: said[name] for name in fields_of(said, {})}, rng)
    changed.append(f"{file.parent.name} {values}")
    file.write_text(json.dumps({**said, **values}))


def _inputs(drawing: Drawing, export: str) -> tuple[Arrays, Arrays]:
    ours, theirs = inputs_of(drawing.pipeline, drawing.name)
    guidance = {} if "few" in drawing.name else {"guidance": np.array(5.0, np.float32)}
    return {**ours, **guidance, "steps": np.array(drawing.steps)}, theirs


def _drawn(drawing: Drawing, export: str, inputs: Arrays) -> Array:
    images = drawing.pipeline(**inputs, guidance_scale=5.0, num_inference_steps=drawing.steps).images
    result: Array = images.transpose(0, 3, 1, 2)
    return result


PICTURES_OF_TEXTS = {
    f"draw, {name}": Subject(partial(_make, name), _inputs, _drawn, frozenset({"draw"})) for name in SAMPLERS
}
