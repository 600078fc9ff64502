"""The bytes of each token of a tokenizer, as they stand in a text that goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from mai.runtime.text.tokenizer import BYTES
from mai.spec.diagnostics import Diagnostic, MaiError

SPACE = "\u2581"  # What stands for a space in SentencePiece's tokens.
BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def refused(message: str, help: str | None = None) -> MaiError:
    """The error for a pattern and a tokenizer that make no table together, to be raised."""
    return MaiError([Diagnostic("data-bad", None, message, help=help)])


def token_bytes(stated: str) -> list[bytes | None]:
    """The bytes of each token, by its number; None for special ones, and numbers without a token.

    Args:
        stated: "bytes", or the JSON of a `tokenizers` file, whose tokens are pieces of a text: of bytes (GPT-2), or of letters with `▁` for
            a space (SentencePiece).

    Raises:
        MaiError: `data-bad`: the tokens are no pieces of a text, as those of WordPiece.
    """
    if stated == BYTES:
        return [bytes([b]) for b in range(256)]
    table = json.loads(stated)
    read = _reader({kind for decoder in _decoders(table.get("decoder")) for kind in _kinds(decoder)})
    pieces: dict[int, bytes | None] = {number: read(token) for token, number in _tokens(table["model"].get("vocab"))}
    for added in table.get("added_tokens") or ():
        pieces[added["id"]] = None if added["special"] else added["content"].encode()
    return [pieces.get(number) for number in range(max(pieces, default=-1) + 1)]


def _tokens(vocab: Any) -> Iterator[tuple[str, int]]:
    """Tokens with their numbers: of a table, or of a list of tokens with their scores."""
    if isinstance(vocab, Mapping):
        yield from vocab.items()
    else:
        yield from ((token, number) for number, (token, _) in enumerate(vocab or ()))


def _decoders(decoder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """A decoder, or those that it is a sequence of."""
    if decoder is None:
        return
    if decoder["type"] == "Sequence":
        for inner in decoder["decoders"]:
            yield from _decoders(inner)
    else:
        yield decoder


def _kinds(decoder: Mapping[str, Any]) -> Iterator[str]:
    yield decoder["type"]
    if decoder["type"] == "Replace" and decoder.get("pattern") == {"String": SPACE} and decoder.get("content") == " ":
        yield "Metaspace"


def _reader(kinds: set[str]) -> Any:
    """A function from a token's text to its bytes."""
    if "ByteLevel" in kinds:
        letters = _letters()
        return lambda token: bytes(letters[c] for c in token) if all(c in letters for c in token) else None
    if "Metaspace" in kinds:
        has_bytes = "ByteFallback" in kinds

        def piece(token: str) -> bytes:
            byte = BYTE.fullmatch(token) if has_bytes else None
            return bytes([int(byte[1], 16)]) if byte else token.replace(SPACE, " ").encode()

        return piece
    raise refused(
        "an answer can match a pattern where tokens are bytes, or pieces of a text (byte pairs, SentencePiece): these are neither"
    )


@lru_cache(maxsize=1)
def _letters() -> dict[str, int]:
    """The letters that stand for bytes in byte-level pairs (GPT-2): themselves where they can be seen, else those from 256 on."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in seen]
    return {chr(b): b for b in seen} | {chr(256 + n): b for n, b in enumerate(hidden)}
