"""The language: text to a syntax tree, with diagnostics. No torch, no onnx."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from mai.spec.source import Source

FOLDER = Path(__file__).parent
LAYER = re.compile(r"^layer (\w+)", re.MULTILINE)


@lru_cache(maxsize=1)
def prelude_sources() -> tuple[Source, ...]:
    """The standard layers, written in the language: every file of the prelude, in the order of their names."""
    paths = sorted((FOLDER / "prelude").glob("*.mai"))
    return tuple(Source(f"prelude/{f.name}", f.read_text(encoding="utf-8"), in_prelude=True) for f in paths)


@lru_cache(maxsize=1)
def prelude_parts() -> dict[str, tuple[Source, int, int]]:
    """Where each standard layer stands: its text, and the characters of it."""
    parts: dict[str, tuple[Source, int, int]] = {}
    for source in prelude_sources():
        begins = [*LAYER.finditer(source.text)]
        ends = [*(m.start() for m in begins[1:]), len(source.text)]
        parts |= {m[1]: (source, m.start(), end) for m, end in zip(begins, ends, strict=True)}
    return parts


def is_public(name: str) -> bool:
    """Whether other files see a name of this file: one that begins with `_` is the file's own."""
    return not name.startswith("_")


STANDARD = "std/"


def library(path: str) -> Path:
    """The file that an import of `std/NAME` means; it may not be there."""
    return FOLDER / "std" / f"{path.removeprefix(STANDARD)}.mai"


def library_names() -> list[str]:
    """What there is to import of mai's own: `std/diffusion`."""
    return sorted(f"{STANDARD}{f.stem}" for f in (FOLDER / "std").glob("*.mai"))


def family_sources() -> list[Source]:
    """How known networks name their tensors: `weights from` blocks without the names of nets and of their modules."""
    paths = sorted((FOLDER / "families").glob("*.mai"))
    return [Source(f"families/{f.name}", f.read_text(encoding="utf-8")) for f in paths]


USUAL_STARTER = "flow"


def starters() -> dict[str, str]:
    """The specs to start from, by kind: the files of `starters/`, the usual one first."""
    paths = sorted((FOLDER / "starters").glob("*.mai"), key=lambda f: (f.stem != USUAL_STARTER, f.stem))
    return {f.stem: f.read_text(encoding="utf-8") for f in paths}
