"""How likely the tokens of a text were: log-probabilities, turn by turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.text.prompts import NOTHING
from mai.runtime.text.stream import Turns


@dataclass(frozen=True, slots=True)
class Scored:
    """A token that was chosen, and how likely it was.

    The probabilities are those of the logits that the draw is given, softmax(z) over the whole vocabulary: after penalties, biases and patterns, before
    the temperature, `top_k`, `top_p`, `min_p` and `typical_p`. Without penalties they are the model's own: `logprobs` of OpenAI, and
    `compute_transition_scores(normalize_logits=True)` of transformers for the greedy text.

    Attributes:
        token: its number; -1 where the row has ended.
        log_prob: the natural logarithm of its probability; 0 where the row has ended, so that a text's sum is its own.
        likeliest: the likeliest tokens of this turn and their log-probabilities, the likeliest first; none where the row has ended.
    """

    token: int
    log_prob: float
    likeliest: tuple[tuple[int, float], ...] = ()


def score_turns(turns: Turns, chosen: Iterator[Array], top: int) -> Iterator[list[Scored]]:
    """Of each turn's tokens [batch] the log-probabilities, and those of the `top` likeliest. Raises `ModelError`: `top` is below 0."""
    if top < 0:
        raise ModelError("input-range", f"the likeliest tokens of a turn are 0 or more, this is {top}")
    return ([_scored(int(t), row, top) for t, row in zip(tokens, turns.logits, strict=True)] for tokens in chosen)


def _scored(token: int, logits: Array, top: int) -> Scored:
    """A token, by the logits [vocab] of its turn."""
    if token == NOTHING:
        return Scored(token, 0.0)
    z = logits.astype(np.float64)
    z -= z.max()
    log_probs = z - np.log(np.exp(z).sum())
    best = np.argsort(-log_probs, kind="stable")[:top] if top else ()
    return Scored(token, float(log_probs[token]), tuple((int(i), float(log_probs[i])) for i in best))
