"""Words of a table as they stand in a line of text, whatever letters they have."""

from __future__ import annotations

LETTERS = 24  # Of a word that is shown.


def in_one_line(text: str) -> str:
    """A text without ends of lines, which a word may have: what stands in a comment stays there."""
    return "\\n".join(text.splitlines())


def shortened(word: str, letters: int = LETTERS) -> str:
    """A word in one line, of one with more than so many `letters` the beginning."""
    word = in_one_line(word)
    return word if len(word) <= letters else word[: letters - 3] + "..."
