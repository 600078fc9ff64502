"""Another name at some places of texts, and whether all names of the texts stand for what they stood for before."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from mai.compiler.editor.view import View
from mai.spec.source import Source, Span


def sources_of(spans: Sequence[Span]) -> dict[str, Source]:
    """The texts in which places are, by their paths."""
    return {span.source.path: span.source for span in spans}


def with_name(source: Source, spans: Sequence[Span], name: str) -> Source:
    """A text with another name at some places."""
    text = source.text
    for span in sorted(spans, key=lambda s: -s.start):
        if span.source.path == source.path:
            text = text[: span.start] + name + text[span.end :]
    return Source(source.path, text, source.name)


def meanings(view: View, spans: Sequence[Span], name: str) -> list[tuple[int, str, int]]:
    """Where each name of a text stands and what it is, with the path and the place of its definition, once `spans` are called `name`."""
    starts = sorted(span.start for span in spans if span.source.path == view.source.path)
    longer = len(name) - (spans[0].end - spans[0].start) if spans else 0

    def moved_place(offset: int) -> int:
        return offset + longer * bisect_left(starts, offset)

    resolved = [
        (
            moved_place(start),
            symbol.span.source.path,
            moved_place(symbol.span.start) if symbol.span.source.path == view.source.path else 0,
        )
        for start, _, symbol in view.names.ordered
    ]
    unresolved = [(moved_place(span.start), "", 0) for each in view.names.unknown.values() for span in each]
    return sorted(resolved + unresolved)
