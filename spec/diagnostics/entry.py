"""One entry of the catalog."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What `mai explain` prints: `example` is a small file that earns the diagnostic, `right` what was meant."""

    title: str
    explanation: str
    example: str = ""
    right: str = ""
