"""`run.json`: what a run was asked for, so that whoever reads its folder can find the spec, the data and the settings again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path

import mai
from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import RECORD
from mai.runtime.files import write_atomically
from mai.spec.record import record


@record
class RunRecord:
    """Where the spec stands and the digest of its text, which consts were `sets` and files of data named, and the seed, batch and steps of the first block.

    `began` is the time of day in seconds since 1970, `version` that of mai.
    """

    spec: str
    sha256: str = ""
    sets: Mapping[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    seed: int = 0
    batch: int = 0
    steps: int = 0
    device: str = ""
    began: float = 0.0
    version: str = mai.__version__


def digest(text: str) -> str:
    """What tells one text of a spec from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(
    folder: Path, program: Program, options: Options, seed: int, batch: int, steps: int, device: str
) -> None:
    """Into a run's folder, as the run begins."""
    data = tuple(str(path.absolute()) for path in options.data)
    spec = str(Path(program.source.path).absolute())
    run = RunRecord(
        spec, digest(program.source.text), dict(options.sets), data, seed, batch, steps, device, time.time()
    )
    write_atomically(folder / RECORD, json.dumps(asdict(run), indent=2).encode())


def read_record(folder: Path) -> RunRecord | None:
    """What a run's folder says of it; None where an earlier mai wrote it, or the file is damaged."""
    try:
        values = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return RunRecord(**{**values, "data": tuple(values["data"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
