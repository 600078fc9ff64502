"""Words with a special meaning in mai, from the page of them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from textwrap import fill

ROW = re.compile(r"^\| (\*\*.+?) \| (.+) \|$", re.MULTILINE)
MARKS = re.compile(r"\*\*|`|\[([^\]]*)\]\([^)]*\)")


@cache
def glossary() -> dict[str, str]:
    """The meanings of words, by each word that the page explains, as plain text."""
    page = (Path(__file__).parent / "glossary.md").read_text(encoding="utf-8")
    rows = ((words, _plain(meaning)) for words, meaning in ROW.findall(page))
    return {word: f"{_plain(words)}: {text}" for words, text in rows for word in re.findall(r"\*\*(.+?)\*\*", words)}


def explained_word(word: str) -> str | None:
    """What a word means in mai's pages, or None for one that the glossary has not; `lead axes` and `Lead axis` are `lead axis`."""
    names = [word, word.lower(), re.sub(r"axes$", "axis", word.lower()), word.lower().removesuffix("s")]
    text = next((glossary()[name] for name in names if name in glossary()), None)
    return None if text is None else fill(text, 150, subsequent_indent="  ")


def _plain(text: str) -> str:
    """Text without the marks of markdown."""
    return MARKS.sub(lambda mark: mark[1] or "", text)
