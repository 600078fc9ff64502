"""Did you mean ...?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was most likely meant to be; None where none is near."""
    known = list(dict.fromkeys(candidates))
    folded = {c.lower(): c for c in reversed(known)}
    if name.lower() in folded and folded[name.lower()] != name:
        return folded[name.lower()]
    near = get_close_matches(name, known, n=1, cutoff=0.7 if len(name) > 3 else 0.6)
    return near[0] if near else None
