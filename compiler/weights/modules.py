"""What `modules.json` of a folder of sentence-transformers puts after the model, some of which have tensors of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mai.runtime.files import read_text, reason

MODULES, DENSE = "modules.json", "Dense"
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Module:
    """A module: its class without the package, and its folder below the model's."""

    kind: str
    folder: str


def read_modules(path: Path) -> list[Module]:
    """The modules of a folder in their order. Raises `ValueError`: its file cannot be read, or is no list of such."""
    try:
        stated = json.loads(read_text(path / MODULES, MAX_BYTES))
        return [Module(str(m["type"]).rpartition(".")[2], str(m["path"])) for m in stated]
    except (OSError, RecursionError) as error:
        raise ValueError(reason(error)) from error
    except (KeyError, TypeError) as error:
        raise ValueError("it is no list of modules, each with its `type` and its `path`") from error


def modules_of(path: Path) -> list[Module]:
    """The modules of a folder; none where it has no such file, or one that cannot be read."""
    try:
        return read_modules(path)
    except ValueError:
        return []
