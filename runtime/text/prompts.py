"""Prompts and what is made of them: rows of tokens, of different lengths side by side, as text where there is a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Port, Text
from mai.runtime.text.tokenizer import Tokenizer

NOTHING = -1


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it was given: as text or as tokens, one or several, of one length or not."""

    rows: Array
    as_text: bool
    single: bool
    ragged: bool


def read_prompt(port: Port, value: Any, tokenizer: Tokenizer | None) -> Prompt:
    """Rows of tokens from a text, several texts, or tokens; shorter ones begin with nothing. Raises `ModelError`."""
    single = isinstance(value, str)
    texts = [value] if single else value
    as_text = _are_texts(texts)
    if as_text:
        texts = [encode(port, t, tokenizer) for t in texts]
    if not _is_ragged(texts):
        rows = np.stack(texts) if as_text else np.asarray(value)
        single = single or rows.ndim == 1
        return Prompt(_checked(port, rows[None] if rows.ndim == 1 else rows), as_text, single, False)
    longest = max(map(len, texts))
    rows = np.full((len(texts), longest), NOTHING, np.int64)
    for row, tokens in zip(rows, texts, strict=True):
        row[longest - len(tokens) :] = tokens
    return Prompt(_checked(port, rows), as_text, False, True)


def as_tokens(port: Port, value: Any, tokenizer: Tokenizer | None) -> Any:
    """A text, or texts of one length, as tokens; anything else as it is. Raises `ModelError`."""
    if isinstance(value, str):
        return encode(port, value, tokenizer)
    if not _are_texts(value):
        return value
    rows = [encode(port, text, tokenizer) for text in value]
    lengths = sorted(map(len, rows))
    if lengths[0] < lengths[-1]:
        message = f"`{port.name}` takes texts of one length, these have {lengths[0]} to {lengths[-1]} tokens"
        raise ModelError("input-shape", message, "give them one at a time")
    return np.stack(rows)


def _are_texts(values: Any) -> bool:
    return isinstance(values, Sequence) and bool(values) and all(isinstance(v, str) for v in values)


def encode(port: Port, text: str, tokenizer: Tokenizer | None) -> Array:
    """A text as tokens."""
    if tokenizer is None:
        help = f"give `{port.name}` as numbers, or compile with --tokenizer"
        raise ModelError("text-unavailable", f"`{port.name}` is a text, but this file has no tokenizer", help)
    return tokenizer.encode(text)


def _is_ragged(rows: Any) -> bool:
    if not isinstance(rows, (list, tuple)) or not all(isinstance(r, (list, tuple, np.ndarray)) for r in rows):
        return False
    return len({len(r) for r in rows if np.ndim(r) == 1}) > 1


def _checked(port: Port, rows: Array) -> Array:
    if rows.ndim == 2 and (not rows.size or (rows == NOTHING).all(1).any()):
        raise ModelError("input-shape", f"`{port.name}` has no token: the text to go on from needs at least one")
    return rows


def check_length(text: Text, rows: Array, settings: Mapping[str, Any]) -> None:
    """Raise `ModelError` where the text would become longer than the model reads."""
    count = settings.get(text.count, text.usual) if isinstance(text.count, str) else text.count
    longest = int((rows != NOTHING).sum(1).max())
    if text.limit is None or longest + int(count) - 1 <= text.limit:
        return
    message = (
        f"this model reads at most {text.limit} tokens: {longest} of the prompt and {int(count)} more are too many"
    )
    fits = text.limit - longest + 1
    help = f"{text.count}={fits} fits" if isinstance(text.count, str) and fits > 0 else None
    raise ModelError("input-range", message, help)


def answer(prompt: Prompt, made: Array, tokenizer: Tokenizer | None) -> Any:
    """The result as the prompt was given: text for text, and rows of their own lengths for prompts of different ones.

    One text beside a batch of another input has become several.
    """
    if prompt.as_text and tokenizer is not None:
        texts = [tokenizer.decode(row[row != NOTHING]) for row in made]
        return texts[0] if prompt.single and len(texts) == 1 else texts
    return [row[row != NOTHING] for row in made] if prompt.ragged else made
