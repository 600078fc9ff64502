"""Places in a text as editors count them: lines and UTF-16 units from 0; here they are characters."""

from __future__ import annotations

from typing import TypeAlias

from mai.spec.source import Source

Place: TypeAlias = tuple[int, int]


def units(text: str) -> int:
    """How many UTF-16 units a text has."""
    return len(text) + sum(ord(c) > 0xFFFF for c in text)


def place_of(source: Source, offset: int) -> Place:
    """The line and the unit of a character."""
    line, column = source.position(min(offset, len(source.text)))
    return line - 1, units(source.line(line)[: column - 1])


def offset_of(source: Source, place: Place) -> int:
    """The character of a line and a unit; beyond the end of a line it is the end."""
    line, unit = place
    if line >= len(source.line_starts):
        return len(source.text)
    text, column = source.line(line + 1), 0
    while column < len(text) and units(text[:column]) < unit:
        column += 1
    return source.line_starts[line] + column
