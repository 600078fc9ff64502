"""The language: text to a syntax tree, with diagnostics. No torch, no onnx."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from mai.spec.source import Source

PRELUDE = ("layers", "transport")


@lru_cache(maxsize=1)
def prelude_sources() -> tuple[Source, ...]:
    """The standard layers, written in the language."""
    folder = files("mai.spec") / "prelude"
    return tuple(Source(f"prelude/{n}.mai", (folder / f"{n}.mai").read_text(encoding="utf-8")) for n in PRELUDE)


def in_prelude(source: Source) -> bool:
    """Whether a text is one of the prelude's."""
    return any(source is held for held in prelude_sources())


def family_sources() -> list[Source]:
    """How known networks name their tensors: `weights from` blocks without the names of nets and of their modules."""
    found = sorted(
        (f for f in (files("mai.spec") / "families").iterdir() if f.name.endswith(".mai")), key=lambda f: f.name
    )
    return [Source(f"families/{f.name}", f.read_text(encoding="utf-8")) for f in found]
