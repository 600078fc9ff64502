"""A word of a line that names nothing: where it stands, and what it may have been meant to be."""

from __future__ import annotations

import re

from mai.spec.diagnostics.edit import Change, Edit, meant
from mai.spec.record import record
from mai.spec.source import Source, Span

TEXT = r'"(?:[^"\\\n]|\\.)*"'
TOKEN = re.compile(rf"#[^\n]*|{TEXT}|(?:(?!\d)\w+)")


@record
class Word:
    """A word that names nothing, and the `guess` of what was meant; a path stands in quotes.

    Where it `is_field`, it may also be what the file calls the column elsewhere, which then goes by the other name, too.
    """

    text: str
    guess: str | None = None
    is_field: bool = False

    def place(self, line: Span) -> Span:
        """The word in a line, as a value and not as the name of a setting; the line where it is written otherwise."""
        places = [span for span in _tokens(line.source, self.text, line.start, line.end) if not _is_setting(span)]
        return places[0] if places else line

    def edits(self, line: Span) -> list[Edit]:
        """The name that was probably meant in the place of the word, there alone, and everywhere where that is possible."""
        guess, at = self.guess, self.place(line)
        if guess is None or at == line:
            return []
        source = line.source
        everywhere = _tokens(source, self.text, 0, len(source.text)) if self.is_field else []
        is_free = not _tokens(source, guess, 0, len(source.text))
        renamed = Edit(meant(at, guess).words, tuple(Change(span, guess) for span in everywhere))
        return [meant(at, guess), *([renamed] if len(everywhere) > 1 and is_free else [])]


def _tokens(source: Source, word: str, start: int, end: int) -> list[Span]:
    """Where a word stands by itself in a part of a text, outside comments and, unless it is one, texts in quotes."""
    return [Span(source, m.start(), m.end()) for m in TOKEN.finditer(source.text, start, end) if m[0] == word]


def _is_setting(span: Span) -> bool:
    behind = span.source.text[span.end :].lstrip(" ")
    return behind.startswith("=") and not behind.startswith("==")
