"""Prompts: texts or tokens become rows of one length, and results take the form that their prompt had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import as_array
from mai.runtime.inputs.labels import warn_of
from mai.runtime.inputs.shapes import check_shape
from mai.runtime.model.manifest import Port, Text
from mai.runtime.text.tokenizer import Tokenizer

NOTHING = -1  # In the place of a token: none.
PROMPT_ROWS = "cut off the -1 that a row which ended early has behind it; rows may differ in length: [[5, 6, 7], [8]]"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as `rows` of tokens [batch, length], shorter ones preceded by -1, and the form in which it was given.

    `as_text`: as text; `single`: one and not several; `ragged`: as rows of tokens that differ in length; `added`: how many
    special tokens stand before the text of each row, which were not in it.
    """

    rows: Array
    as_text: bool
    single: bool
    ragged: bool
    added: tuple[int, ...] = ()


def read_prompt(port: Port, value: object, tokenizer: Tokenizer | None, *, special_tokens: bool = False) -> Prompt:
    """The prompt in a text, in several texts, or in tokens: [length], [batch, length], or lists of different lengths.

    With `special_tokens` a text gets those that its tokenizer prescribes before it, as `<s>`, unless it begins with them
    itself; it gets none after it, since it is to go on.

    Raises:
        ModelError: it is a text and the file has no tokenizer, or mixes texts and tokens; a row has no token, or -1 behind one.
    """
    _check_texts(port, value)
    texts = [value] if isinstance(value, str) else value
    if _are_texts(texts):
        bare = [encode_text(port, text, tokenizer) for text in texts]
        wanted = tokenizer if special_tokens else None
        before = [_missing_before(text, row, wanted) for text, row in zip(texts, bare, strict=True)]
        rows = [np.concatenate(parts) for parts in zip(before, bare, strict=True)]
        prompt = _as_prompt(port, rows, as_text=True, single=isinstance(value, str))
        return replace(prompt, added=tuple(map(len, before)))
    return _as_prompt(port, value, as_text=False, single=False)


def form_of_texts(inputs: Mapping[str, Port], values: Mapping[str, object], output: Port) -> Prompt | None:
    """The form of a result of tokens that goes on from no prompt: text, where a text of the same vocabulary was given; else None."""
    alike = [
        n for n, port in inputs.items() if port.classes and port.classes == output.classes and len(port.shape) == 1
    ]
    texts = [values[n] for n in alike if isinstance(values.get(n), str) or _are_texts(values.get(n))]
    if not texts or len(output.shape) != 1:
        return None
    return Prompt(np.zeros((0, 0), np.int64), as_text=True, single=isinstance(texts[0], str), ragged=False)


def _missing_before(text: str, tokens: Array, tokenizer: Tokenizer | None) -> Array:
    """The special tokens that belong before a text, none where its own tokens begin with them."""
    if tokenizer is None:
        return tokens[:0]
    before, _ = tokenizer.special_tokens(text)
    return before[:0] if np.array_equal(tokens[: len(before)], before) else before


def _as_prompt(port: Port, rows: object, *, as_text: bool, single: bool) -> Prompt:
    if _is_ragged(rows):
        return Prompt(_check_tokens(port, _pad(rows)), as_text, single=False, ragged=True)
    array = as_array(port, rows)
    if array.ndim not in (1, 2):
        check_shape(port, array.shape)
    single = single or array.ndim == 1
    return Prompt(_check_tokens(port, array[None] if array.ndim == 1 else array), as_text, single, ragged=False)


def _pad(rows: Sequence[Sequence[int] | Array], after: bool = False) -> Array:
    """Rows of tokens of different lengths as [batch, longest], with -1 before the shorter ones, or after them."""
    longest = max(map(len, rows))
    padded = np.full((len(rows), longest), NOTHING, np.result_type(np.int64, *(np.asarray(r) for r in rows if len(r))))
    for row, tokens in zip(padded, rows, strict=True):
        start = 0 if after else longest - len(tokens)
        row[start : start + len(tokens)] = tokens
    return padded


def as_tokens(port: Port, value: object, tokenizer: Tokenizer | None, *, special_tokens: bool = False) -> object:
    """A text as tokens [length], several as [batch, length]; anything else as it is.

    With `special_tokens` they stand between those that the tokenizer prescribes. Where the port takes places without a token, -1,
    they come after shorter texts, and after shorter ones of rows of tokens.

    Raises:
        ModelError: the texts have different numbers of tokens, lie in lists of lists or beside what is none, or the file has no tokenizer.
    """
    _check_texts(port, value)
    if isinstance(value, str):
        return encode_text(port, value, tokenizer, special_tokens=special_tokens)
    may_be_absent = port.minimum == NOTHING
    if not _are_texts(value):
        return _pad(value, after=True) if may_be_absent and _is_ragged(value) else value
    rows = [encode_text(port, text, tokenizer, special_tokens=special_tokens) for text in value]
    if may_be_absent:
        return _pad(rows, after=True)
    lengths = sorted(map(len, rows))
    if lengths[0] < lengths[-1]:
        message = f"`{port.name}` takes texts of one length, these have {lengths[0]} to {lengths[-1]} tokens"
        raise ModelError("input-shape", message, "give them one at a time")
    return np.stack(rows)


def encode_text(port: Port, text: str, tokenizer: Tokenizer | None, *, special_tokens: bool = False) -> Array:
    """A text as tokens [length], int64; with `special_tokens` between those that the tokenizer prescribes.

    Raises:
        ModelError: `text-unavailable`: the file has no tokenizer, or it fails. `input-dtype`: half of a character is no text.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = f"`{port.name}` is no text: character {error.start + 1} is half of one, {text[error.start]!r}"
        raise ModelError("input-dtype", message, "a lone surrogate, as broken JSON has it") from error
    if tokenizer is None:
        help = f"give `{port.name}` as numbers, or compile with --tokenizer"
        raise ModelError("text-unavailable", f"`{port.name}` is a text, but this file has no tokenizer", help)
    tokens = tokenizer.encode(text)
    if not special_tokens:
        return tokens
    before, after = tokenizer.special_tokens(text)
    return np.concatenate([before, tokens, after])


def _are_texts(values: object) -> TypeGuard[Sequence[str]]:
    return isinstance(values, Sequence) and bool(values) and all(isinstance(v, str) for v in values)


def _check_texts(port: Port, values: object) -> None:
    """Raise `ModelError`, `input-shape`, for a list in place of tokens that has texts somewhere, and is none of texts alone."""
    if port.dtype != "int64" or not isinstance(values, (list, tuple)) or _are_texts(values):
        return
    for each in values:
        if isinstance(each, str) or (isinstance(each, (list, tuple)) and any(isinstance(inner, str) for inner in each)):
            message = f"`{port.name}` mixes texts and numbers, or lists of texts"
            raise ModelError("input-shape", message, 'a text, or a list of texts alone: ["one", "another"]')


def _is_ragged(rows: object) -> TypeGuard[Sequence[Sequence[int] | Array]]:
    if not isinstance(rows, (list, tuple)) or not all(isinstance(r, (list, tuple, np.ndarray)) for r in rows):
        return False
    return len({len(r) for r in rows if np.ndim(r) == 1}) > 1


def _check_tokens(port: Port, rows: Array) -> Array:
    if rows.ndim == 2 and (not rows.size or (rows == NOTHING).all(1).any()):
        raise ModelError("input-shape", f"`{port.name}` has no token: the text to go on from needs at least one")
    absent = rows == NOTHING
    if rows.ndim == 2 and (absent[:, 1:] & ~absent[:, :-1]).any():
        message = f"-1 stands before the tokens of `{port.name}`, not between or after them"
        raise ModelError("input-range", message, PROMPT_ROWS)
    return rows


def check_length(text: Text, rows: Array, settings: Mapping[str, Array | int], said_as: str | None = None) -> int:
    """How many tokens the longest prompt may come to with what is appended to it, which fit into what the model reads.

    Args:
        rows: the prompts, [batch, length].
        settings: the settings that were given, by name; the number of tokens to append may be among them.
        said_as: what the caller calls the number of tokens to append, where it is not the setting's name.

    Raises:
        ModelError: `input-range`: the text would become too long.
    """
    count = settings.get(text.count, text.usual) if isinstance(text.count, str) else text.count
    longest = int((rows != NOTHING).sum(1).max())
    if text.limit is None or longest + int(count) - 1 <= text.limit:
        return longest + int(count)
    message = (
        f"this model reads at most {text.limit} tokens: {longest} of the prompt and {int(count)} more are too many"
    )
    fits = text.limit - longest + 1
    help = f"{said_as or text.count}={fits} fits" if isinstance(text.count, str) and fits > 0 else None
    raise ModelError("input-range", message, help)


def warn_of_length(text: Text, length: int) -> None:
    """A warning where a text may come to more tokens than any that the model was trained on; none where nothing says how many these were."""
    warn_of(notes_of_length(text, length))


def notes_of_length(text: Text, length: int) -> list[str]:
    """What is to be said of a text of so many tokens: nothing where the model was trained on as long ones, or nothing says how many it read."""
    if text.context is None or length <= text.context:
        return []
    return [
        f"this text may have more than {text.context} tokens, and the model was trained on none so long: what it writes there may be worse"
    ]


def check_shortest(port: Port, rows: Array, least: Mapping[str, int]) -> None:
    """Check that every prompt has as many tokens as the model needs; those of `rows` [batch, length] that are none do not count.

    Raises:
        ModelError: `input-range`: one has fewer.
    """
    size, fewest = str(port.shape[0]), int((rows != NOTHING).sum(1).min())
    if fewest < least.get(size, 0):
        message = f"`{size}` is at least {least[size]}, a row of `{port.name}` has {fewest} token{'s' * (fewest != 1)}"
        raise ModelError("input-range", message)


def format_result(prompt: Prompt, rows: Array, tokenizer: Tokenizer | None) -> Any:
    """Generated tokens [batch, length] in the form of their prompt; the special tokens that it was given are left out.

    Returns:
        A text for one text, a list of texts for several; else the tokens as they are, or as a list of rows without -1 where
        the prompts had different lengths. One text beside a batch of another input has several results.
    """
    if prompt.as_text and tokenizer is not None:
        added = prompt.added if len(prompt.added) == len(rows) else (prompt.added or (0,))[:1] * len(rows)
        texts = [tokenizer.decode(row[row != NOTHING][n:]) for row, n in zip(rows, added, strict=True)]
        return texts[0] if prompt.single and len(texts) == 1 else texts
    return [row[row != NOTHING] for row in rows] if prompt.ragged else rows
