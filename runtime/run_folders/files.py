"""The names of the files in a run's folder."""

from __future__ import annotations

import re
from pathlib import Path

WEIGHTS, METRICS, RECORDS, RECORD = "weights.safetensors", "metrics.jsonl", "records.npz", "run.json"
FAILURE = "failure.json"
LOG = "log.txt"  # What a run of a sweep has said.
CHECKPOINT = re.compile(r"checkpoint-(\d+)\.safetensors")


def checkpoint_of(folder: Path, step: int) -> Path:
    """The file of the checkpoint of a step."""
    return folder / f"checkpoint-{step:08d}.safetensors"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, the last one last. A file that has no number of steps in its name is somebody's own."""
    named = (path for path in folder.glob("checkpoint-*.safetensors") if CHECKPOINT.fullmatch(path.name))
    return sorted(named, key=step_of)


def step_of(checkpoint: Path) -> int:
    """After how many steps a checkpoint was written."""
    return int(checkpoint.stem.rpartition("-")[2])


def holds_run(folder: Path) -> bool:
    """Whether a folder has weights or checkpoints of a run."""
    return (folder / WEIGHTS).exists() or bool(checkpoints(folder))
