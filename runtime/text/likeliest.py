"""The likeliest tokens of results that have a number for each token: logits, their logarithms of probabilities, or probabilities."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.show.terminal import say, visible_line
from mai.runtime.text.tokenizer import INCOMPLETE, Tokenizer

COUNT = 5  # Tokens shown of each place.
MAX_PLACES = 12  # The last ones: what comes after the text is at its end.


def print_likeliest(rows: Array, tokens: Sequence[int], tokenizer: Tokenizer | None, row: str = "place") -> None:
    """Print the likeliest tokens of each row, with their shares.

    Args:
        rows: a number for each token, [rows, tokens].
        tokens: what stands at each place, where that is known.
        tokenizer: what writes tokens as text; without it they are numbers.
        row: what a row is of, in words.
    """
    shown = rows[-MAX_PLACES:]
    before = tokens[-MAX_PLACES:] if len(tokens) == len(rows) else ()
    heads = [word_of(token, tokenizer) for token in before] or [""] * len(shown)
    width = max(map(len, heads))
    say(f"  the likeliest {COUNT} of each {row}" + (f", the last {MAX_PLACES}" if len(rows) > MAX_PLACES else ""))
    for head, shares in zip(heads, shares_of(shown), strict=True):
        best = np.argsort(-shares, kind="stable")[:COUNT]
        say(
            f"  {head:>{width}}  "
            + "  ".join(f"{word_of(token, tokenizer)} {shares[token]:.1%}" for token in best.tolist())
        )


def are_probabilities(rows: Array) -> bool:
    """Whether all rows, [..., n], are probabilities: real numbers with the sum 1, none below 0."""
    return bool((rows >= 0).all() and np.allclose(rows.sum(-1), 1, atol=1e-3))


def shares_of(rows: Array) -> Array:
    """Probabilities of numbers [..., n]: they themselves where they are that, else their softmax, in float64."""
    numbers = np.asarray(rows, np.float64)
    if are_probabilities(numbers):
        return numbers
    with np.errstate(invalid="ignore"):
        weights = np.exp(numbers - numbers.max(-1, keepdims=True))
        return np.asarray(weights / weights.sum(-1, keepdims=True))


def word_of(token: int, tokenizer: Tokenizer | None) -> str:
    """A token as text in quotes; its number where it is none by itself, as a part of a character."""
    text = tokenizer.decode([token]) if tokenizer and token >= 0 else ""
    return visible_line(json.dumps(text, ensure_ascii=False)) if text and INCOMPLETE not in text else str(token)
