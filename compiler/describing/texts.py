"""Texts, described: their length, their lines, their characters."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.data.tables.dialect import marked
from mai.spec.record import record

BYTES = 1 << 20
MARK = 4  # Bytes in which a file may name its encoding.


@record
class TextSummary:
    """Texts together: bytes, characters, lines, and how often each character is there, the most frequent first."""

    files: tuple[Path, ...]
    size: int
    characters: int
    lines: int
    longest: int
    counts: tuple[tuple[str, int], ...]
    begins: str


def summarise_texts(files: Sequence[Path]) -> TextSummary:
    """Texts gone through once, a megabyte at a time. Raises `MaiError` where one is no UTF-8, and names no other encoding."""
    counts, size, lines, longest, rest, begins = Counter[str](), 0, 0, 0, 0, ""
    for file in files:
        with file.open("rb") as opened:
            decoder = codecs.getincrementaldecoder(marked(opened.read(MARK)) or "utf-8")()
            opened.seek(0)
            while piece := opened.read(BYTES):
                text = _decoded(file, decoder, piece)
                begins = begins or text[:400]
                counts.update(text)
                size += len(piece)
                *whole, last = text.split("\n")
                lengths = [rest + len(whole[0]), *map(len, whole[1:])] if whole else []
                longest, lines = max([longest, *lengths]), lines + len(whole)
                rest = len(last) if whole else rest + len(last)
        longest, lines, rest = max(longest, rest), lines + (rest > 0), 0
    if not size:
        raise bad(f"{files[0]} is empty")
    return TextSummary(tuple(files), size, counts.total(), lines, longest, tuple(counts.most_common()), begins)


def _decoded(file: Path, decoder: codecs.IncrementalDecoder, piece: bytes) -> str:
    try:
        text = decoder.decode(piece)
    except UnicodeDecodeError as error:
        help = f'save it as UTF-8, or name its encoding: `text(bytes, "{file.name}", encoding = "latin-1")`'
        raise bad(f"{file} is no text in UTF-8", help=help) from error
    if "\0" in text:
        raise bad(f"{file} is no text: it holds bytes that are zero")
    return text
