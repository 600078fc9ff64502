"""Faults that change nothing that a test could see, with the reason."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
