"""One entry of the catalog."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """`explanation` is what `mai explain` prints; `example` is a small file that earns the diagnostic."""

    title: str
    explanation: str
    example: str = ""
