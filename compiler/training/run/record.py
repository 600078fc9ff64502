"""The record of what a run was asked for, as it begins or goes on."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.runtime.files import write_atomically
from mai.runtime.run_folders.files import RECORD
from mai.runtime.run_folders.record import RunRecord, read_record


def digest(text: str) -> str:
    """What tells one text of a spec from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_record(
    folder: Path, program: Program, options: Options, seed: int, batch: int, steps: int, device: str
) -> None:
    """Into a run's folder, as the run begins."""
    run = _spec_and_data(RunRecord("", seed=seed, batch=batch, device=device, began=time.time()), program, options)
    _write(folder, replace(run, steps=steps))


def update_record(folder: Path, program: Program, options: Options, steps: int | None) -> None:
    """Of a run that goes on: the spec, consts and files of data that it goes on with, and its `steps` where they are those of the first block."""
    run = read_record(folder)
    if run is not None:
        now = _spec_and_data(run, program, options)
        _write(folder, now if steps is None else replace(now, steps=steps))


def _spec_and_data(run: RunRecord, program: Program, options: Options) -> RunRecord:
    data = tuple(str(path.absolute()) for path in options.data)
    spec = str(Path(program.source.path).absolute())
    return replace(run, spec=spec, sha256=digest(program.source.text), sets=dict(options.sets), data=data)


def _write(folder: Path, run: RunRecord) -> None:
    write_atomically(folder / RECORD, json.dumps(asdict(run), indent=2).encode())
