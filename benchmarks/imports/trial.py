"""One trial: a folder is made, changed, loaded by transformers, imported, compiled and compared."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.imports.making import Invalid
from benchmarks.imports.subject import Array, Arrays, Subject
from benchmarks.imports.subjects import greedy
from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.importing.importing import import_folder
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.spec.diagnostics import MaiError

TOLERANCE = 2e-4
COUNT = 9  # Tokens that a text grows by.


@dataclass(frozen=True, slots=True)
class Outcome:
    """`kind` is "right", "refused", "wrong", "crash", or "invalid" for what transformers itself does not take."""

    kind: str
    changed: str
    said: str


def attempt(subject: Subject, folder: Path, rng: random.Random) -> Outcome:
    """Make a folder with the changes that the numbers choose, and compare what comes of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    changed: list[str] = []
    try:
        model = subject.make(folder, rng, changed)
    except Exception as error:  # Whatever a library says of a config that it does not take.
        return Outcome("invalid", "; ".join(changed), f"{type(error).__name__}: {error}"[:120].replace("\n", " "))
    try:
        kind, said = _compared(subject, model, folder, rng)
    except MaiError as error:
        kind, said = "refused", "; ".join(d.message for d in error.diagnostics)[:200]
    except ModelError as error:  # A text that is longer than the places of the model.
        kind, said = "refused", str(error)
    except Invalid as error:
        kind, said = "invalid", str(error)
    except Exception as error:
        kind, said = "crash", f"{type(error).__name__}: {error}"[:400]
    return Outcome(kind, "; ".join(changed), said)


def _compared(subject: Subject, model: Any, folder: Path, rng: random.Random) -> tuple[str, str]:
    """How far all exports are from the reference."""
    spec = folder / "model.mai"
    spec.write_text(import_folder(folder, spec).text, encoding="utf-8")
    checked = check(spec)
    if checked.program is None:
        return "crash", "; ".join(d.message for d in checked.diagnostics)
    trained = Trained(load_weights(checked.program, None)[0])
    worst = max(_distances(subject, model, checked.program, trained, folder), default=0.0)
    if "generate" in checked.program.exports and rng.random() < 0.25 and not _reads_a_source(subject, model):
        worst = max(worst, _growth(model, checked.program, trained, folder))
    return ("right" if worst < TOLERANCE else "wrong"), f"{worst:.1e}"


def _reads_a_source(subject: Subject, model: Any) -> bool:
    return "source" in subject.inputs(model.config, "predict")[0]


def _distances(subject: Subject, model: Any, program: Program, trained: Trained, folder: Path) -> Iterator[float]:
    for name in program.exports:
        if name in subject.left_out:
            continue
        inputs, theirs = subject.inputs(model.config, name)
        try:
            wanted = subject.reference(model, name, theirs)
        except Exception as error:
            raise Invalid(f"{type(error).__name__}: {error}"[:120]) from error
        if not np.isfinite(wanted).all():
            raise Invalid("not finite")
        file = load(export(program, name, trained, folder).path, providers="cpu")
        result = np.asarray(file(**inputs))
        distance = apart(result, wanted)
        yield distance if distance < TOLERANCE else min(distance, _beyond(subject, model, name, theirs, result, wanted))


def apart(result: Array, wanted: Array) -> float:
    """The largest difference, as a share of the largest number that is wanted."""
    if result.size != wanted.size:
        return np.inf
    return float(np.abs(result.reshape(wanted.shape) - wanted).max() / max(1, np.abs(wanted).max()))


def _beyond(subject: Subject, model: Any, name: str, theirs: Arrays, result: Array, wanted: Array) -> float:
    """How much further a result is from the reference in float64 than the reference itself is in float32; infinity where it has no float64."""
    try:
        doubles = {n: v.astype(np.float64) if v.dtype == np.float32 else v for n, v in theirs.items()}
        exact = subject.reference(copy.deepcopy(model).double(), name, doubles)
    except Exception:  # Whatever a library says of numbers that it does not take.
        return np.inf
    return max(0.0, apart(result, exact) - apart(wanted, exact))


def _growth(model: Any, program: Program, trained: Trained, folder: Path) -> float:
    """0 where the same tokens come, else 1."""
    prompts = np.random.default_rng(5).integers(3, 90, (2, 11))
    grow = load(export(program, "generate", trained, folder).path, providers="cpu")
    texts = grow(prompt=prompts, count=COUNT, temperature=0.0, stop=-1, repetition_penalty=1.0)
    return float(texts.tolist() != list(greedy(model, prompts, COUNT)))
