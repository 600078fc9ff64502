"""What `mai info` says of a run's folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

from mai.runtime.run_folders.cleaning import BEFORE, size_of
from mai.runtime.run_folders.files import FAILURE, WEIGHTS, checkpoints, step_of
from mai.runtime.run_folders.record import RunRecord
from mai.runtime.run_folders.summary import Summary, summary

STATES = {
    "done": "done",
    "failed": "failed",
    "stopped": "stopped, or still running: --resume goes on from its last checkpoint",
    "begun": "begun, without a checkpoint yet",
}
Line = tuple[str, str]


def described(folder: Path) -> Iterator[Line]:
    """A heading and a text each: what it was asked for, how far it is, what it came to, what its files take."""
    run = summary(folder)
    yield "state", STATES[run.state] + _failure(folder)
    if run.asked is not None:
        yield from _asked(run.asked)
    of = f" of {run.asked.steps:,}" if run.asked is not None and run.asked.steps else ""
    yield "steps", f"{run.steps:,}{of}" + (f", kept {run.kept:,}" if run.kept != run.steps else "")
    yield from _figures(run)
    yield from _files(folder)


def _failure(folder: Path) -> str:
    try:
        return f": {json.loads((folder / FAILURE).read_text(encoding='utf-8'))['message']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _asked(asked: RunRecord) -> Iterator[Line]:
    sets = "".join(f" --set {name}={value}" for name, value in asked.sets.items())
    yield "spec", f"{asked.spec}{sets}"
    yield from (("data", path) for path in asked.data)
    yield "asked", f"seed {asked.seed}, batch {asked.batch:,}, on {asked.device}, by mai {asked.version}"
    if asked.began:
        yield "began", time.strftime("%Y-%m-%d %H:%M", time.localtime(asked.began))


def _figures(run: Summary) -> Iterator[Line]:
    if run.figures:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in run.figures.items())
        where = "on held-out examples" if run.held_out else ""
        last = "the last ones" if run.state != "done" or not run.held_out else ""
        yield "figures", ", ".join(text for text in (shown, where, last) if text)


def _files(folder: Path) -> Iterator[Line]:
    for path in [folder / WEIGHTS, *sorted(folder.glob("*.onnx"))]:
        if path.exists():
            yield "file", f"{path.name}  {size_in_words(path.stat().st_size)}"
    kept = checkpoints(folder)
    if kept:
        steps = ", ".join(f"{step_of(path):,}" for path in kept)
        yield "file", f"checkpoints of the steps {steps}  {size_in_words(sum(map(size_of, kept)))} (mai clean)"
    if (folder / BEFORE).is_dir():
        yield (
            "file",
            f"{BEFORE}/, the run before this one  {size_in_words(size_of(folder / BEFORE))} (mai clean --before)",
        )


def size_in_words(size: int) -> str:
    """Bytes as a person reads them."""
    return f"{size / 1e6:,.2f} MB" if size >= 10_000 else f"{size / 1e3:,.1f} kB"
