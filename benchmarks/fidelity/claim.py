"""A claim that a number can refute, and the ways that all claims are measured in."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runs import FIDELITY, GALLERY, ROOT, digest, is_done
from mai.compiler.check import check
from mai.compiler.compile_options import DEFAULTS, CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import checkpoints
from mai.runtime import load
from mai.runtime.arrays import Array
from mai.runtime.model.model import Model

EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True)
class Claim:
    """`statement` of a `system`: what is `needed`, what was `measured`, whether it `holds`. `source` is where it is from."""

    system: str
    statement: str
    needed: str
    measured: str
    holds: bool
    source: str = ""

    @property
    def row(self) -> list[str]:
        """A row of a Markdown table: a bar in a cell would end it."""
        cells = [
            self.system,
            self.statement,
            self.needed,
            self.measured,
            "yes" if self.holds else "**no**",
            self.source,
        ]
        return [cell.replace("|", "\\|") for cell in cells]

    @property
    def data(self) -> dict[str, Any]:
        return asdict(self)


def program_of(spec: str | Path, sets: Mapping[str, str] | None = None) -> Program:
    """A checked program, from an example's name, a path, or the text of a spec."""
    path = EXAMPLES / f"{spec}.mai" if isinstance(spec, str) and "\n" not in spec else spec
    if isinstance(path, str):
        folder = Path(tempfile.mkdtemp(prefix="mai-"))
        (folder / "spec.mai").write_text(path, encoding="utf-8")
        path = folder / "spec.mai"
    checked = check(path, dict(sets or {}))
    assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
    return checked.program


def trained(
    spec: str | Path, *, steps: int | None = None, seed: int = 0, sets: Mapping[str, str] | None = None
) -> tuple[Program, Path]:
    """A program and the weights of a run, which is made once: a spec and settings that were trained before are not again."""
    program = program_of(spec, sets)
    folder = GALLERY / program.name
    if steps is not None or seed or sets or not is_done(ROOT / folder, digest(program.source.text)):
        said = f"{program.source.text}|{steps}|{seed}|{sorted((sets or {}).items())}"
        folder = FIDELITY / f"{program.name}-{digest(said)[:12]}"
    weights = ROOT / folder / "weights.safetensors"
    if not weights.exists():
        print(f"training {program.name} into {folder}", flush=True)
        is_resumed = bool(checkpoints(ROOT / folder))
        train(program, ROOT / folder, Options(steps=steps, seed=seed, resume=is_resumed))
    return program, weights


def compiled(
    program: Program, name: str, weights: Path | Mapping[str, Array] | None = None, options: CompileOptions = DEFAULTS
) -> Model:
    """An export as its ONNX file runs it, on the CPU."""
    arrays = weights if isinstance(weights, Mapping) else load_weights(program, weights)[0]
    folder = Path(tempfile.mkdtemp(prefix="mai-"))
    return load(export(program, name, Trained(arrays), folder, options).path, providers="cpu", threads=1)


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The exponent p of y ~ x^p, by least squares of the logarithms."""
    return float(np.polyfit([math.log(v) for v in x], [math.log(v) for v in y], 1)[0])
