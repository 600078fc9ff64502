"""Text to tokens and back: bytes, or a Hugging Face `tokenizers` file that travels in the compiled file."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

import numpy as np
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError

BYTES = "bytes"
HALF = "\ufffd"  # What stands for bytes that are no character, or not yet.


class Decoder(Protocol):
    """Tokens in, text out as soon as it is sure: a character that is split across tokens waits for its end."""

    def push(self, tokens: Iterable[int]) -> str: ...

    def finish(self) -> str: ...


class Tokenizer(Protocol):
    """`size` is the number of different tokens."""

    size: int

    def encode(self, text: str) -> Array: ...

    def decode(self, tokens: Iterable[int]) -> str: ...

    def decoder(self) -> Decoder: ...


class Bytes:
    """Every byte of UTF-8 is a token."""

    size = 256

    def encode(self, text: str) -> Array:
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        return bytes(map(int, tokens)).decode(errors="replace")

    def decoder(self) -> Decoder:
        return _BytesDecoder()


class _BytesDecoder:
    def __init__(self) -> None:
        self._inner = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, tokens: Iterable[int]) -> str:
        return self._inner.decode(bytes(map(int, tokens)))

    def finish(self) -> str:
        return self._inner.decode(b"", final=True)


class Pieces:
    """A `tokenizers` file, as JSON text."""

    def __init__(self, json: str) -> None:
        try:
            from tokenizers import Tokenizer as Inner
        except ImportError as error:
            message = "this file's tokenizer needs the package `tokenizers`"
            raise ModelError("text-unavailable", message, "pip install tokenizers") from error
        try:
            self._inner = Inner.from_str(json)
        except Exception as error:  # the package raises a bare Exception
            raise ModelError("model-truncated", f"the tokenizer cannot be read: {error}") from error
        self.size = self._inner.get_vocab_size()

    def encode(self, text: str) -> Array:
        return np.array(self._inner.encode(text, add_special_tokens=False).ids, np.int64)

    def decode(self, tokens: Iterable[int]) -> str:
        made: str = self._inner.decode([int(t) for t in tokens], skip_special_tokens=False)
        return made

    def decoder(self) -> Decoder:
        return _PiecesDecoder(self)


class _PiecesDecoder:
    """A token's text may depend on the one before it, so each is decoded beside those just shown."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._shown: list[int] = []
        self._waiting: list[int] = []

    def push(self, tokens: Iterable[int]) -> str:
        self._waiting += [int(t) for t in tokens]
        made = self._text()
        if not self._waiting or made.endswith(HALF):
            return ""
        self._shown, self._waiting = self._waiting, []
        return made

    def finish(self) -> str:
        made, self._waiting = self._text(), []
        return made

    def _text(self) -> str:
        """What the waiting tokens add."""
        before = self._pieces.decode(self._shown)
        return self._pieces.decode(self._shown + self._waiting)[len(before) :]


@lru_cache(maxsize=8)
def tokenizer_of(stated: str) -> Tokenizer:
    """The tokenizer that a manifest states: "bytes", or the JSON of a `tokenizers` file. Raises `ModelError`."""
    return Bytes() if stated == BYTES else Pieces(stated)
