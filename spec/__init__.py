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
