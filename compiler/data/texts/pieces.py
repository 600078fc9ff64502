"""Texts as their tokens: of the pieces of a template, and of the parts of conversations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.sources.examples import Piece
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array
from mai.runtime.text.tokenizer import Tokenizer

TurnParts = tuple[str, ...]
"""A conversation as what is asked, what is answered, and so on in turns; what is asked may be empty."""
Texts = list[str] | list[TurnParts]
"""Some rows of one column: texts, or conversations in parts."""


def shown(piece: Piece, text: str) -> str:
    """The text of a piece with what stands around it."""
    return f"{piece.before}{text}{piece.behind}"


def tokens_of_pieces(
    tokenizer: Tokenizer, pieces: Sequence[Piece], block: Sequence[Texts], is_template: bool
) -> list[Array]:
    """The tokens of each piece of each row, one after the other."""
    encoded = [
        [tokenizer.encode(shown(piece, str(text))) for text in column]
        for piece, column in zip(pieces, block, strict=True)
    ]
    before, after = _special(tokenizer, [str(text) for text in block[0]], encoded[0])
    encoded[0] = [np.concatenate([before, each]) for each in encoded[0]] if len(before) else encoded[0]
    if len(after) and not is_template:
        encoded[-1] = [np.concatenate([each, after]) for each in encoded[-1]]
    return [tokens for row in zip(*encoded, strict=True) for tokens in row]


def tokens_of_parts(tokenizer: Tokenizer, block: Texts) -> tuple[list[Array], list[Array]]:
    """The tokens of each conversation, whose special ones its template writes, and 1 where they are of answers.

    What is asked and what is answered are read apart, so that an answer begins with the token that a model is asked for.
    """
    tokens, answered = [], []
    for parts in block:
        encoded = [tokenizer.encode(part) for part in parts]
        marks = [np.full(len(each), place % 2, np.uint8) for place, each in enumerate(encoded)]
        tokens.append(np.concatenate([np.zeros(0, np.int64), *encoded]))
        answered.append(np.concatenate([np.zeros(0, np.uint8), *marks]))
    return tokens, answered


def _special(tokenizer: Tokenizer, texts: Sequence[str], encoded: Sequence[Array]) -> tuple[Array, Array]:
    """What stands before and behind a text, as one that has tokens shows it: an empty one does not tell which is which."""
    shown = next((text for text, tokens in zip(texts, encoded, strict=True) if len(tokens)), "a")
    return tokenizer.special_tokens(shown)


def check_vocabulary(name: str, numbers: Array, tokenizer: Tokenizer, type_: Type) -> None:
    """Raise `MaiError` for a token that the spec's vocabulary has not."""
    most, classes = int(numbers.max(initial=0)), type_.classes
    if isinstance(classes, int) and most >= classes:
        help = f"this tokenizer has {tokenizer.size:,} tokens: `const vocab = {tokenizer.size}`"
        raise bad(f"`{name}` holds the token {most}, but `vocab` is {classes}", help=help)
