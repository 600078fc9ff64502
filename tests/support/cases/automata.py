"""Texts of an automaton of bytes: whether it matches one, and some that it matches."""

from __future__ import annotations

import numpy as np

from mai.compiler.constraints.automaton import Automaton


def matches(automaton: Automaton, text: str) -> bool:
    """Whether a whole text is matched."""
    state = 0
    for byte in text.encode(errors="surrogatepass"):
        state = automaton.moves[state, byte]
    return bool(automaton.whole[state])


def distances(automaton: Automaton) -> np.ndarray:
    """How many bytes make a text whole at the least, from each state."""
    left = np.where(automaton.whole, 0, 10**6)
    for _ in range(len(left)):
        left = np.minimum(left, left[automaton.moves].min(1) + 1)
    return left


def some_texts(automaton: Automaton, count: int, seed: int = 0, most: int = 60) -> list[str]:
    """Texts that are matched, by random walks that find an end after about `most` bytes."""
    left, rng, texts = distances(automaton), np.random.default_rng(seed), []
    for _ in range(count):
        state, text = 0, bytearray()
        while not (automaton.whole[state] and (rng.random() < 0.2 or len(text) > most)):
            after = left[automaton.moves[state]]
            ways = np.nonzero(after < 10**6 if len(text) < most else after < left[state])[0]
            if not len(ways):
                break
            byte = int(rng.choice(ways))
            text.append(byte)
            state = automaton.moves[state, byte]
        texts.append(text.decode())
    return texts
