"""Where trained examples are kept, so that none is trained twice: the gallery's runs, which fidelity reads, too."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
GALLERY, FIDELITY = Path("runs/gallery"), Path("runs/fidelity")
STAMP = "spec.sha256"


CLAIM = re.compile(r"^claim [^\n]*?\{(?:[^\n]*\}[^\n}]*|.*?\n\})\n", re.MULTILINE | re.DOTALL)


def digest(text: str) -> str:
    """The digest by which the text of a spec is known: of what is trained, which its claims say nothing of."""
    return hashlib.sha256(CLAIM.sub("", text).encode()).hexdigest()


def stamp(folder: Path) -> str:
    """The digest of the spec that the run in a folder trained; empty where there is none."""
    file = folder / STAMP
    return file.read_text(encoding="utf-8") if file.exists() else ""


def is_done(folder: Path, text: str) -> bool:
    """Whether a folder has the weights of the spec with that digest, trained to the end."""
    return stamp(folder) == text and (folder / "weights.safetensors").exists()
