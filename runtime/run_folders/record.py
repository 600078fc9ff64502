"""`run.json`: what a run was asked for, so that whoever reads its folder can find the spec, the data and the settings again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mai
from mai.runtime.run_folders.files import RECORD


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Where the spec stands and the digest of its text, which consts were `sets` and files of data named, and the seed, batch and steps of the first block.

    `examples` tells the data that it was trained on from others, the latest last: a run may go on with other data. `since` is,
    of the train block in which it last went on with other data, spec or consts, by its name, the step after which: earlier figures are of others. `began` is the time of
    day in seconds since 1970, `version` that of mai.
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
    examples: tuple[str, ...] = ()
    since: Mapping[str, int] = field(default_factory=dict)


def read_record(folder: Path) -> RunRecord | None:
    """What a run's folder says of it; None where an earlier mai wrote it, or the file is damaged."""
    try:
        values = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return RunRecord(**{**values, "data": tuple(values["data"]), "examples": tuple(values.get("examples", ()))})
    except (OSError, ValueError, TypeError, KeyError):
        return None
