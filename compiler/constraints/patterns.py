"""What a text may be, as a tree: letters, one part after the other, one of several, a part so many times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mai.spec.record import record

LAST = 0x10FFFF  # The last letter of Unicode.
SURROGATES = (0xD800, 0xDFFF)  # Halves of letters, which no text has.
Spans: TypeAlias = tuple[
    tuple[int, int], ...
]  # Letters by their numbers: from, to, both included; apart, and in their order.


@record
class Letters:
    """One letter of some."""

    spans: Spans


@record
class Sequel:
    """Parts one after the other; none of them is the empty text."""

    parts: tuple[Pattern, ...]


@record
class Choice:
    """One of several."""

    parts: tuple[Pattern, ...]


@record
class Times:
    """A part `least` to `most` times; None for any number."""

    part: Pattern
    least: int
    most: int | None


Pattern: TypeAlias = Letters | Sequel | Choice | Times
EMPTY = Sequel(())


def literal(text: str) -> Pattern:
    """A text as it is."""
    return Sequel(tuple(Letters(((ord(c), ord(c)),)) for c in text))


def sequel(*parts: Pattern) -> Pattern:
    """Parts one after the other."""
    return parts[0] if len(parts) == 1 else Sequel(parts)


def choice(parts: Sequence[Pattern]) -> Pattern:
    """One of the parts."""
    return parts[0] if len(parts) == 1 else Choice(tuple(parts))


def maybe(part: Pattern) -> Pattern:
    """A part, or nothing."""
    return Times(part, 0, 1)


def joined(spans: Spans) -> Spans:
    """Spans in their order, those that meet as one."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def others(spans: Spans) -> Spans:
    """All letters but these."""
    result, start = [], 0
    for first, last in joined((*spans, SURROGATES)):
        if first > start:
            result.append((start, first - 1))
        start = last + 1
    return tuple(result) if start > LAST else (*result, (start, LAST))


def common(a: Spans, b: Spans) -> Spans:
    """The letters that are in both."""
    pairs = [(max(p, r), min(q, s)) for p, q in a for r, s in b]
    return joined(tuple((first, last) for first, last in pairs if first <= last))
