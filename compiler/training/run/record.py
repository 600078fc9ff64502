"""The record of what a run was asked for, as it begins or goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from mai.compiler.data.batches import Dataset
from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.runtime.arrays import Array
from mai.runtime.files import write_atomically
from mai.runtime.run_folders.files import RECORD
from mai.runtime.run_folders.record import RunRecord, read_record

LOOKED_AT = 64  # Rows of each part by which data are told from others.


def digest(text: str) -> str:
    """What tells one text of a spec from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_rows(rows: Mapping[str, Array]) -> str:
    """What tells some rows, by field, from others."""
    sum_ = hashlib.sha256()
    for name, each in sorted(rows.items()):
        sum_.update(name.encode() + np.ascontiguousarray(each).tobytes())
    return sum_.hexdigest()


def digest_of_data(data: Dataset) -> str:
    """What tells data, and how they are split, from others: some rows of each part, and how many there are."""
    parts = {"held out": data.validation, "test": data.test}
    aside = {
        f"{part} {name} {len(each)}": each[:LOOKED_AT]
        for part, rows in parts.items()
        for name, each in (rows or {}).items()
    }
    return digest_of_rows({**data.batch(0, LOOKED_AT), **aside})


def write_record(
    folder: Path, program: Program, options: Options, seed: int, batch: int, steps: int, device: str, examples: str
) -> None:
    """Into a run's folder, as the run begins."""
    run = RunRecord("", seed=seed, batch=batch, device=device, began=time.time(), examples=(examples,))
    _write(folder, replace(_spec_and_data(run, program, options), steps=steps))


def update_record(
    folder: Path, program: Program, options: Options, steps: int | None, examples: str, since: Mapping[str, int]
) -> None:
    """Of a run that goes on: the spec, consts and files of data that it goes on with, and its `steps` where they are those of the first block.

    `since` says after which step these are others; it is empty where they are the same.
    """
    run = read_record(folder)
    if run is not None:
        before = run.examples if run.examples[-1:] != (examples,) else run.examples[:-1]
        now = replace(_spec_and_data(run, program, options), examples=(*before, examples), since=since or run.since)
        _write(folder, now if steps is None else replace(now, steps=steps))


def _spec_and_data(run: RunRecord, program: Program, options: Options) -> RunRecord:
    data = tuple(str(path.absolute()) for path in options.data)
    spec = str(Path(program.source.path).absolute())
    return replace(run, spec=spec, sha256=digest(program.source.text), sets=dict(options.sets), data=data)


def _write(folder: Path, run: RunRecord) -> None:
    write_atomically(folder / RECORD, json.dumps(asdict(run), indent=2).encode())
