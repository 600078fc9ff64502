"""The names of the files in a run's folder."""

from __future__ import annotations

from pathlib import Path

WEIGHTS, METRICS, RECORDS, RECORD = "weights.safetensors", "metrics.jsonl", "records.npz", "run.json"
FAILURE = "failure.json"


def checkpoint_of(folder: Path, step: int) -> Path:
    """The file of the checkpoint of a step."""
    return folder / f"checkpoint-{step:08d}.safetensors"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, the last one last."""
    return sorted(folder.glob("checkpoint-*.safetensors"))


def step_of(checkpoint: Path) -> int:
    """After how many steps a checkpoint was written."""
    return int(checkpoint.stem.rpartition("-")[2])


def holds_run(folder: Path) -> bool:
    """Whether a folder has weights or checkpoints of a run."""
    return (folder / WEIGHTS).exists() or bool(checkpoints(folder))
