"""A compiled file copied with what belongs to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from mai.runtime.errors import ModelError
from mai.runtime.model.data import ENDING
from mai.runtime.text.stream import step_path


def save_copy(source: Path, target: Path) -> Path:
    """Copy a file to a path or into a folder; the files of its weights and of one turn go along. Raises `ModelError`."""
    place = target / source.name if target.is_dir() else target
    pairs = [(source, place), (step_path(source), step_path(place))]
    for old, new in pairs:
        if old.with_name(old.name + ENDING).exists() and old.name != new.name:
            message = f"the weights of {old.name} lie beside it, and it finds them by its name: it cannot be called {new.name}"
            raise ModelError("out-unknown", message, "name a folder")
    for old, new in pairs:
        for ending in ("", ENDING):
            if old.with_name(old.name + ending).exists():
                shutil.copyfile(old.with_name(old.name + ending), new.with_name(new.name + ending))
    return place
