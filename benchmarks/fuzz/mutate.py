"""Damage to texts and to bytes; each is a function of the seed and its number alone."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
PIECES = ["(", ")", "[", "]", "{", "}", "=", "==", "~", "->", "|>", "^", "'", '"', "..", "None", "0", "-1", "10^9", "1e308", "x", "s",
          "d", "\n", ",", ":", "@", "repeat", "integrate", "return", "keep", "shared", "σ", "\t", "\x00", "#", "minimize", "class[3]",
          "grad", "div", "jvp", "extend", "append", "across", "param", "state", "if training", "using", "over", "tsit5", "2.5", "1e-400",
          "9" * 400, "2147483648", "\ufeff", "\u202e", "\r", "import", "record", "every", "true", "[]", "[0]", "-"]  # fmt: skip
BYTES = [b"\x00", b"\xff", b"\x80", b"\xc3", b"\xf0\x9f", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\x1b["]
MOST = 4


def generator(seed: int, number: int) -> random.Random:
    """A stream of its own for every mutation, so that one can be made again without those before it."""
    return random.Random(f"{seed}/{number}")


def mutated(texts: Sequence[str], rng: random.Random) -> bytes:
    """One of the texts with one to four damages: to its tokens, its characters or its bytes."""
    text = rng.choice(texts)
    kind = rng.choice(("tokens", "tokens", "characters", "bytes"))
    for _ in range(rng.randint(1, MOST)):
        if kind == "tokens":
            text = _in_tokens(text, rng, texts)
        elif kind == "characters":
            text = _in_characters(text, rng)
    raw = text.encode("utf-8", "surrogatepass")
    return damaged(raw, rng) if kind == "bytes" else raw


def _in_tokens(text: str, rng: random.Random, texts: Sequence[str]) -> str:
    """A token cut, doubled, exchanged for another of this text or of any, or for a foreign piece."""
    tokens = TOKEN.findall(text) or [" "]
    at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    changes: list[Callable[[], list[str]]] = [
        lambda: [],
        lambda: [tokens[at]] * 2,
        lambda: [tokens[other]],
        lambda: [rng.choice(TOKEN.findall(rng.choice(texts)))],
        lambda: [rng.choice(PIECES)],
        lambda: [tokens[at], rng.choice(PIECES)],
        lambda: tokens[other : other + rng.randint(2, 20)],
    ]
    tokens[at : at + 1] = rng.choice(changes)()
    return "".join(tokens)


def _in_characters(text: str, rng: random.Random) -> str:
    """Cut, doubled, foreign or moved pieces, wherever they begin."""
    at, size = rng.randrange(len(text) + 1), rng.randint(1, 12)
    other = rng.randrange(len(text) + 1)
    before, piece, after = text[:at], text[at : at + size], text[at + size :]
    return rng.choice([
        before + after,
        before + rng.choice(PIECES) + piece + after,
        before + piece * 2 + after,
        before + rng.choice(PIECES) + after,
        before + text[other : other + size] + after,
    ])  # fmt: skip


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Bytes with flipped bits, foreign bytes, a piece cut, moved or zeroed, or an end that is missing."""
    mutated = bytearray(raw)
    for _ in range(rng.randint(1, MOST)):
        at, size = rng.randrange(len(mutated) + 1), rng.randint(1, 64)
        kind = rng.randrange(6)
        if kind < 2 and at < len(mutated):
            mutated[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            mutated[at:at] = rng.choice(BYTES)
        elif kind == 3:
            del mutated[at : at + size]
        elif kind == 4:
            mutated[at : at + size] = bytes(len(mutated[at : at + size]))
        elif rng.random() < 0.2:
            del mutated[at:]
    return bytes(mutated)
