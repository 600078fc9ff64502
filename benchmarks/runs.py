"""Where trained examples are kept, so that none is trained twice: the gallery's runs, which fidelity reads, too."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
GALLERY, FIDELITY = Path("runs/gallery"), Path("runs/fidelity")
STAMP = "spec.sha256"


def digest(text: str) -> str:
    """What stands for the text of a spec."""
    return hashlib.sha256(text.encode()).hexdigest()


def stamp(folder: Path) -> str:
    """Which text of a spec the run in a folder is of."""
    held = folder / STAMP
    return held.read_text(encoding="utf-8") if held.exists() else ""


def is_done(folder: Path, text: str) -> bool:
    """Whether a folder has the weights of the spec with that digest, trained to the end."""
    return stamp(folder) == text and (folder / "weights.safetensors").exists()
