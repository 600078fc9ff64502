"""What of a run is not needed any more: checkpoints that nothing goes on from, and the run that was in the folder before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mai.runtime.errors import ModelError
from mai.runtime.files import PART, locked
from mai.runtime.run_folders.files import checkpoints
from mai.runtime.run_folders.summary import summary

BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Left:
    """A file or a folder that can go, its bytes, and why."""

    path: Path
    size: int
    why: str


def not_needed(run: Path, keep: int, before: bool) -> Iterator[Left]:
    """What can go: of a run that is done all checkpoints but the last `keep`, of another all but the one that it goes on from.

    Args:
        before: whether the run before this one, which made room for it, can go, too.
    """
    done = summary(run).state == "done"
    least = keep if done else max(1, keep)
    old = checkpoints(run)
    for path in old[: len(old) - least]:
        yield Left(path, path.stat().st_size, "a checkpoint of a run that is done" if done else "an earlier checkpoint")
    for path in sorted(run.glob(f"*{PART}*")):
        yield Left(path, path.stat().st_size, "a part of a file that was never written to its end")
    if before and (run / BEFORE).is_dir():
        yield Left(run / BEFORE, size_of(run / BEFORE), "the run before this one")


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


def clean(run: Path, keep: int, before: bool) -> list[Left]:
    """Remove it; what was removed. Raises `ModelError` where a training writes into the folder."""
    handle = _lock(run)
    try:
        removed = list(not_needed(run, keep, before))
        for each in removed:
            shutil.rmtree(each.path) if each.path.is_dir() else each.path.unlink()
        return removed
    finally:
        if handle is not None:
            os.close(handle)


def _lock(run: Path) -> int | None:
    try:
        return locked(os.open(run, os.O_RDONLY))
    except PermissionError:  # Windows opens no folders.
        return None
    except BlockingIOError as error:
        raise ModelError("folder-in-use", f"a training writes into {run}", "wait until it ends") from error
