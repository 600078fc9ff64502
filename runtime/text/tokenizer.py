"""Text to tokens and back: bytes, or a Hugging Face `tokenizers` file that travels in the compiled file."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Protocol

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError

BYTES = "bytes"
PANIC = "PanicException"  # Of pyo3, which no module exports.
INCOMPLETE = "\ufffd"  # What a tokenizer decodes bytes to that are no character, or only the beginning of one.


class Decoder(Protocol):
    """Turns tokens into text as they come; a character that is split across tokens waits for its last one."""

    def push(self, tokens: Iterable[int]) -> str:
        """Take further tokens; the text that is certain with them is returned, which may be empty."""

    def finish(self) -> str:
        """The rest of the text, where the tokens ended in the middle of a character."""


def decode_pieces(decoder: Decoder, tokens: Iterable[Iterable[int]]) -> Iterator[str]:
    """The text of tokens as they come, some at a time; pieces are not empty."""
    for new in tokens:
        if piece := decoder.push(new):
            yield piece
    if last := decoder.finish():
        yield last


class Tokenizer(Protocol):
    """Turns text into tokens and back; `size` is the number of different tokens."""

    size: int

    def encode(self, text: str) -> Array:
        """A text as tokens [length], int64."""

    def special_tokens(self, text: str) -> tuple[Array, Array]:
        """What the tokenizer prescribes before and after the tokens of a text, as `[CLS]` and `[SEP]`: [m] and [n], int64."""

    def decode(self, tokens: Iterable[int]) -> str:
        """Tokens as text; bytes that are no character become U+FFFD."""

    def decoder(self, before: Iterable[int] = ()) -> Decoder:
        """A decoder for the tokens of one text, as they come after those `before`."""

    def is_special(self, token: int) -> bool:
        """Whether a token is one that texts for people leave out, as `<s>`."""


class Bytes:
    """A tokenizer whose tokens are the bytes of UTF-8."""

    size = 256

    def encode(self, text: str) -> Array:
        """The bytes of a text, [length]."""
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)

    def special_tokens(self, text: str) -> tuple[Array, Array]:
        """None, [0] and [0]: bytes are all that there is."""
        return np.zeros(0, np.int64), np.zeros(0, np.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of these bytes."""
        return _as_bytes(tokens).decode(errors="replace")

    def decoder(self, before: Iterable[int] = ()) -> Decoder:
        """A decoder that keeps the bytes of an unfinished character; those `before` are whole ones."""
        return _BytesDecoder()

    def is_special(self, token: int) -> bool:
        """No byte is."""
        return False


class _BytesDecoder:
    def __init__(self) -> None:
        self._inner = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, tokens: Iterable[int]) -> str:
        return self._inner.decode(_as_bytes(tokens))

    def finish(self) -> str:
        return self._inner.decode(b"", final=True)


def _as_bytes(tokens: Iterable[int]) -> bytes:
    """Tokens as bytes; one that is none becomes 255, which no character has."""
    return bytes(t if 0 <= t < Bytes.size else 255 for t in map(int, tokens))


class Pieces:
    """A tokenizer of Hugging Face's package `tokenizers`, made from the JSON text of its file.

    Raises:
        ModelError: the package is not installed, or the text is no such file.
    """

    def __init__(self, json: str) -> None:
        try:
            from tokenizers import Tokenizer as HuggingFaceTokenizer
        except ImportError as error:
            message = "this file's tokenizer needs the package `tokenizers`"
            raise ModelError("text-unavailable", message, "pip install tokenizers") from error
        with _failures_told("model-truncated", "the tokenizer cannot be read"):
            self._inner = HuggingFaceTokenizer.from_str(json)
        self._inner.no_padding()  # Both are of the training of another model.
        self._inner.no_truncation()
        self.size = self._inner.get_vocab_size()
        self._special = {number for number, token in self._inner.get_added_tokens_decoder().items() if token.special}

    def encode(self, text: str) -> Array:
        """A text as tokens [length], without the special tokens that some tokenizers put around it.

        A text is never cut or padded, whatever the tokenizer's file says.
        """
        with _failures_told("text-unavailable", "the file's tokenizer cannot read this text"):
            return np.array(self._inner.encode(text, add_special_tokens=False).ids, np.int64)

    def encode_pair(self, first: str, second: str) -> tuple[Array, Array]:
        """Two texts as tokens [length], with the special tokens that the tokenizer puts around and between them; which are the second's, 1, or the first's, 0, [length]."""
        with _failures_told("text-unavailable", "the file's tokenizer cannot read these texts"):
            encoding = self._inner.encode(first, second)
        return np.array(encoding.ids, np.int64), np.array(encoding.type_ids, np.int64)

    def special_tokens(self, text: str) -> tuple[Array, Array]:
        """What the tokenizer's post-processor puts before and after a text, [m] and [n]; those inside belong to the text."""
        with _failures_told("text-unavailable", "the file's tokenizer cannot read this text"):
            encoding = self._inner.encode(text)
        tokens, special = np.array(encoding.ids, np.int64), np.array(encoding.special_tokens_mask, bool)
        (own,) = np.nonzero(~special)
        start, end = (int(own[0]), int(own[-1]) + 1) if len(own) else (len(tokens), len(tokens))
        return tokens[:start], tokens[end:]

    def decode(self, tokens: Iterable[int]) -> str:
        """Tokens as text, special ones included."""
        with _failures_told("text-unavailable", "the file's tokenizer cannot write these tokens"):
            text: str = self._inner.decode([int(t) for t in tokens], skip_special_tokens=False)
            return text

    def decoder(self, before: Iterable[int] = ()) -> Decoder:
        """A decoder that decodes every token beside those before it."""
        return _PiecesDecoder(self, before)

    def is_special(self, token: int) -> bool:
        """Whether the tokenizer's file calls an added token special."""
        return token in self._special

    def number_of(self, piece: str) -> int | None:
        """The token that a piece is, as it is written in the file; None where none is."""
        number: int | None = self._inner.token_to_id(piece)
        return number

    def text_of(self, token: int) -> str | None:
        """The piece that a token is, as it is written in the file; None where there is no such token."""
        piece: str | None = self._inner.id_to_token(token)
        return piece


@contextmanager
def _failures_told(slug: str, message: str) -> Iterator[None]:
    """Raise a `ModelError` for what `tokenizers` raises: bare Exceptions, and where its Rust panics, a BaseException."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        raise ModelError(slug, f"{message}: {str(error).partition(chr(10))[0]}") from error


class _PiecesDecoder:
    """Decodes new tokens together with those just shown, since a token's text may depend on the one before it."""

    def __init__(self, pieces: Pieces, before: Iterable[int]) -> None:
        self._pieces = pieces
        self._shown = [int(t) for t in before]
        self._waiting: list[int] = []

    def push(self, tokens: Iterable[int]) -> str:
        self._waiting += [int(t) for t in tokens]
        text = self._text()
        if not self._waiting or text.endswith(INCOMPLETE):
            return ""
        self._shown, self._waiting = self._waiting, []
        return text

    def finish(self) -> str:
        text, self._waiting = self._text(), []
        return text

    def _text(self) -> str:
        """The text that the waiting tokens add to what was shown."""
        before = self._pieces.decode(self._shown)
        return self._pieces.decode(self._shown + self._waiting)[len(before) :]


@lru_cache(maxsize=8)
def tokenizer_of(stated: str) -> Tokenizer:
    """The tokenizer that a manifest states: "bytes", or the JSON of a `tokenizers` file.

    Raises:
        ModelError: the text is no tokenizer, or the package `tokenizers` is missing.
    """
    return Bytes() if stated == BYTES else Pieces(stated)
