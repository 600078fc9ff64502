"""What `modules.json` of a folder of sentence-transformers puts after the model, some of which have tensors of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mai.runtime.files import read_text, reason

MODULES, DENSE = "modules.json", "Dense"
PACKAGE = "sentence_transformers"
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Module:
    """A module: its class, without the package where that is sentence-transformers, and its folder below the model's."""

    kind: str
    folder: str


def read_modules(path: Path) -> list[Module]:
    """The modules of a folder in their order. Raises `ValueError`: its file cannot be read, or is no list of such."""
    try:
        stated = json.loads(read_text(path / MODULES, MAX_BYTES))
        return [Module(_kind(str(m["type"])), str(m["path"])) for m in stated]
    except (OSError, RecursionError) as error:
        raise ValueError(reason(error)) from error
    except (KeyError, TypeError) as error:
        raise ValueError("it is no list of modules, each with its `type` and its `path`") from error


def _kind(written: str) -> str:
    """The class of a module; of another package the whole name, since it may compute anything."""
    package, _, kind = written.rpartition(".")
    return kind if package.partition(".")[0] == PACKAGE else written


def modules_of(path: Path) -> list[Module]:
    """The modules of a folder; none where it has no such file, or one that cannot be read."""
    try:
        return read_modules(path)
    except ValueError:
        return []
