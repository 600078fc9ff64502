"""The language: text to a syntax tree, with diagnostics. No torch, no onnx."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from mai.spec.source import Source


@lru_cache(maxsize=1)
def prelude_source() -> Source:
    """The standard layers, written in the language."""
    return Source("prelude/layers.mai", (files("mai.spec") / "prelude" / "layers.mai").read_text(encoding="utf-8"))


def family_sources() -> list[Source]:
    """How known networks name their tensors: `weights from` blocks without the names of nets and of their modules."""
    found = sorted(
        (f for f in (files("mai.spec") / "families").iterdir() if f.name.endswith(".mai")), key=lambda f: f.name
    )
    return [Source(f"families/{f.name}", f.read_text(encoding="utf-8")) for f in found]
