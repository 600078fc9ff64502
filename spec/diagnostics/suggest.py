"""Suggestions for misspelt names: did you mean ...?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice, pairwise

MIN_PART, MIN_STEM = 3, 4  # Letters of a name that counts as a part, or as the beginning, of another.
MIN_MISTYPED = 5  # Letters of a name of which one may be another.
MAX_LETTERS, MAX_CANDIDATES = 40, 5000  # Beyond these the comparison would take too long.


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was most likely meant to be; None where none is near.

    First a candidate of the same letters (`LayerNorm`, `layer_norm`), then the one with the fewest slips, of at most one in
    four letters (one of the same first letter before others), then a candidate that is part of the name (`num_heads`, `conv2d`),
    or that the name abbreviates (`lin`: `linear`, rather than `sin`).
    """
    if len(name) > MAX_LETTERS:
        return None
    others = [c for c in islice(dict.fromkeys(candidates), MAX_CANDIDATES) if c != name]
    same = [c for c in others if _letters(c) == _letters(name)]
    if same:
        return same[0]
    limit = 0 if len(name) < MIN_PART else max(1, len(name) // 4)
    letters = set(name)
    alike = [
        c for c in others if abs(len(c) - len(name)) <= limit and len(letters.symmetric_difference(c)) <= 2 * limit
    ]
    near = [(slips(name, c), c) for c in alike]
    within = [pair for pair in near if pair[0] <= limit]
    longer = [c for c in others if len(name) >= MIN_PART and c.startswith(name.lower())]
    same_start = [pair for pair in within if pair[1][0] == name[0]]
    if same_start or (within and not longer):
        return min(same_start or within, key=lambda pair: pair[0])[1]
    parts = [c for c in others if _is_part(c, name.lower())]
    return max(parts, key=len, default=None) or min(longer, key=len, default=None)


def is_misspelling(name: str, meant: str) -> bool:
    """Whether `name` is `meant` but for case, underscores, or one letter that is missing, doubled, mistyped or exchanged with its neighbour.

    Another digit is another name (`conv1d`, `conv2d`), and so is a letter more (`sine`) or another one in a short name (`rent`).
    """
    if _letters(name) == _letters(meant):
        return True
    if slips(name, meant) != 1:
        return False
    if sorted(name) == sorted(meant):
        return True
    if re.sub(r"\D", "", name) != re.sub(r"\D", "", meant):
        return False
    if len(name) > len(meant):
        return any(a == b and name[:i] + name[i + 1 :] == meant for i, (a, b) in enumerate(pairwise(name)))
    return len(name) < len(meant) or len(name) >= MIN_MISTYPED


def same_letters(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is `name` but for case and underscores; None where there is none."""
    return next((c for c in candidates if c != name and _letters(c) == _letters(name)), None)


def _is_part(candidate: str, name: str) -> bool:
    whole_word = len(candidate) >= MIN_PART and candidate in name.split("_")
    return whole_word or (len(candidate) >= MIN_STEM and name.startswith(candidate))


def _letters(text: str) -> str:
    return text.lower().replace("_", "")


def slips(a: str, b: str) -> int:
    """How many letters must be inserted, left out, changed or exchanged with their neighbour to make `b` of `a` (Damerau 1964)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]
