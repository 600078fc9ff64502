"""Texts and their tokens by which a host that reads a file's tokenizer with another library is tried."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import TokenizerTrial
from mai.runtime.text.tokenizer import BYTES, tokenizer_of

TEXTS = (
    "The mean of 1,234.5 rows isn't 20.",
    "  two  spaces, and one behind ",
    "a line\nanother\twith a tab",
    "na\u00efve caf\u00e9s \u2014 \u65e5\u672c\u8a9e \u2603",
)
MOST = 16  # Added tokens that are tried, inside of words and between them.


def tokenizer_trials(tokenizer: str | None) -> list[TokenizerTrial]:
    """What the package `tokenizers` makes of some texts; none where tokens are bytes, or there is no tokenizer."""
    if tokenizer is None or tokenizer == BYTES:
        return []
    return [
        trial for text in (*TEXTS, *_with_added_tokens(tokenizer)) if (trial := _trial(tokenizer, text)) is not None
    ]


def _with_added_tokens(tokenizer: str) -> Iterator[str]:
    """Each of the tokens that are sought in a text before it is cut into pieces, first those that are words of their own, or take blanks with them."""
    added = [
        token for token in json.loads(tokenizer).get("added_tokens") or () if isinstance(token.get("content"), str)
    ]
    added.sort(key=lambda token: not any(token.get(way) for way in ("single_word", "lstrip", "rstrip")))
    for token in added[:MOST]:
        yield f"on{token['content']}on {token['content']} on"


def _trial(tokenizer: str, text: str) -> TokenizerTrial | None:
    """A text as tokens, and back; None where the tokenizer has no token for some of it."""
    reader = tokenizer_of(tokenizer)
    try:
        tokens = reader.encode(text).tolist()
        return TokenizerTrial(text=text, tokens=tokens, decoded=reader.decode(tokens))
    except ModelError:
        return None
