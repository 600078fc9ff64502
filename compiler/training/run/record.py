"""The record of what a run was asked for, as it begins."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path

from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.runtime.files import write_atomically
from mai.runtime.run_folders.files import RECORD
from mai.runtime.run_folders.record import RunRecord


def digest(text: str) -> str:
    """What tells one text of a spec from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(
    folder: Path, program: Program, options: Options, seed: int, batch: int, steps: int, device: str
) -> None:
    """Into a run's folder, as the run begins."""
    data = tuple(str(path.absolute()) for path in options.data)
    spec = str(Path(program.source.path).absolute())
    sets, sha256 = dict(options.sets), digest(program.source.text)
    run = RunRecord(spec, sha256, sets, data, seed, batch, steps, device, time.time())
    write_atomically(folder / RECORD, json.dumps(asdict(run), indent=2).encode())
