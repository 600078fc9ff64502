"""Folders for what nobody has asked to keep."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


def scratch_folder() -> Path:
    """A new folder among the machine's temporary ones."""
    return Path(tempfile.mkdtemp(prefix="mai-"))


def remove_with(owner: object, folder: Path) -> None:
    """Remove a folder when nothing refers to its owner any more."""
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
