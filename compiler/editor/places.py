"""Places in a text as editors count them: lines and UTF-16 units from 0; here they are characters."""

from __future__ import annotations

from typing import TypeAlias

from mai.spec.source import Source

Place: TypeAlias = tuple[int, int]


def units(text: str) -> int:
    """How many UTF-16 units a text has."""
    return len(text) if text.isascii() else len(_encoded(text)) // 2


def characters(text: str, unit: int) -> int:
    """How many characters the first `unit` UTF-16 units of a text are: all of them where it has no more, and half a character counts as one."""
    if text.isascii():
        return min(unit, len(text))
    return len(_encoded(text)[: 2 * unit].decode("utf-16-le", "surrogatepass"))


def _encoded(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def place_of(source: Source, offset: int) -> Place:
    """The line and the unit of a character."""
    line, column = source.position(min(offset, len(source.text)))
    return line - 1, units(source.line(line)[: column - 1])


def offset_of(source: Source, place: Place) -> int:
    """The character of a line and a unit; beyond the end of a line it is the end."""
    line, unit = place
    if line >= len(source.line_starts):
        return len(source.text)
    return source.line_starts[line] + characters(source.line(line + 1), unit)
