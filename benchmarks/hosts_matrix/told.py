"""What is known of engines: why they refuse files, and results of theirs that are not right."""

from __future__ import annotations

# Results of an engine, by engine and file, that are told in `docs/hosts.md` instead of being counted as wrong.
TOLD: dict[tuple[str, str], str] = {}
# Reasons in words for what engines say: the first whose text is in an engine's.
REASONS: dict[str, list[tuple[str, str]]] = {}


def reason_of(engine: str, said: str) -> str:
    """Why an engine refuses, in words."""
    for part, reason in REASONS.get(engine, []):
        if part in said:
            return reason
    return f"`{said[:160]}`"
