"""The language: text to a syntax tree, with diagnostics. No torch, no onnx."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from mai.spec.source import Source

LAYER = re.compile(r"^layer (\w+)", re.MULTILINE)


@lru_cache(maxsize=1)
def prelude_sources() -> tuple[Source, ...]:
    """The standard layers, written in the language: every file of the prelude, in the order of their names."""
    folder = files("mai.spec") / "prelude"
    paths = sorted((f for f in folder.iterdir() if f.name.endswith(".mai")), key=lambda f: f.name)
    return tuple(Source(f"prelude/{f.name}", f.read_text(encoding="utf-8")) for f in paths)


@lru_cache(maxsize=1)
def prelude_parts() -> dict[str, tuple[Source, int, int]]:
    """Where each standard layer stands: its text, and the characters of it."""
    found: dict[str, tuple[Source, int, int]] = {}
    for source in prelude_sources():
        begins = [*LAYER.finditer(source.text)]
        ends = [*(m.start() for m in begins[1:]), len(source.text)]
        found |= {m[1]: (source, m.start(), end) for m, end in zip(begins, ends, strict=True)}
    return found


def in_prelude(source: Source) -> bool:
    """Whether a text is one of the prelude's."""
    return any(source is held for held in prelude_sources())


def family_sources() -> list[Source]:
    """How known networks name their tensors: `weights from` blocks without the names of nets and of their modules."""
    found = sorted(
        (f for f in (files("mai.spec") / "families").iterdir() if f.name.endswith(".mai")), key=lambda f: f.name
    )
    return [Source(f"families/{f.name}", f.read_text(encoding="utf-8")) for f in found]


USUAL_STARTER = "flow"


def starters() -> dict[str, str]:
    """The specs to start from, by kind: the files of `starters/`, the usual one first."""
    folder = files("mai.spec") / "starters"
    kinds = sorted(f.name.removesuffix(".mai") for f in folder.iterdir() if f.name.endswith(".mai"))
    kinds.sort(key=lambda kind: kind != USUAL_STARTER)
    return {kind: (folder / f"{kind}.mai").read_text(encoding="utf-8") for kind in kinds}
