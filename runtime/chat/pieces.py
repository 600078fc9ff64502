"""The text of an answer: without its special tokens, and without what ends it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mai.runtime.text.tokenizer import Tokenizer, decode_pieces


def text_pieces(tokens: Iterable[int], tokenizer: Tokenizer) -> Iterator[str]:
    """The text of tokens as they come, special ones left out: of all of them together what the tokenizer decodes them to.

    Where a tokenizer of SentencePiece's kind has bytes for tokens, a letter that is one byte is shown at once. It decodes each byte of a run that
    is no UTF-8 to U+FFFD, a letter before the fault, too, which stays a letter here.
    """
    return decode_pieces(tokenizer.decoder(), ([token] for token in tokens if not tokenizer.is_special(token)))


def ends_among(stops: Iterable[str], tokenizer: Tokenizer) -> frozenset[int]:
    """The tokens that end an answer because a stop is their text: special ones, of which its text shows nothing."""
    rows = [tokenizer.encode(stop).tolist() for stop in stops]
    return frozenset(row[0] for row in rows if len(row) == 1 and tokenizer.is_special(row[0]))


def before_stops(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Pieces of a text up to the first of some texts; what may become the beginning of one waits until that is known."""
    waiting = ""
    for piece in pieces:
        waiting += piece
        places = [place for stop in stops if (place := waiting.find(stop)) >= 0]
        if places:
            if min(places):
                yield waiting[: min(places)]
            return
        free = len(waiting) - max((_overlap(waiting, stop) for stop in stops), default=0)
        if free:
            yield waiting[:free]
        waiting = waiting[free:]
    if waiting:
        yield waiting


def _overlap(text: str, stop: str) -> int:
    """How many letters at the end of a text are the first of a stop."""
    most = min(len(text), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if text.endswith(stop[:n])), 0)
