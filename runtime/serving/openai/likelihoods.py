"""Log-probabilities of an answer's tokens, as OpenAI's routes tell them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mai.runtime.serving.openai.answers import Answer
from mai.runtime.text.tokenizer import INCOMPLETE, Tokenizer

LEAST = -9999.0  # What JSON has for minus infinity, which it cannot say; OpenAI writes the same.


@dataclass(frozen=True, slots=True)
class Likely:
    """A token as text, as it stands behind those before it, and its log-probability."""

    text: str
    log_prob: float

    @property
    def bytes(self) -> list[int] | None:
        """Its bytes in UTF-8; None where it is only a part of a character."""
        return None if INCOMPLETE in self.text else list(self.text.encode())

    def as_entry(self) -> dict[str, object]:
        """As an entry of a chat's answer."""
        return {"token": self.text, "logprob": self.log_prob, "bytes": self.bytes}


@dataclass(frozen=True, slots=True)
class LikelyTurn:
    """The token of a turn, the likeliest ones of it, and how many letters of the answer stand before."""

    chosen: Likely
    likeliest: tuple[Likely, ...]
    offset: int


class Telling:
    """Gives the tokens of one answer, each once, as its text is sent."""

    def __init__(self, answer: Answer, tokenizer: Tokenizer) -> None:
        self._answer, self._tokenizer = answer, tokenizer
        self._count = 0

    def until(self, letters: int) -> list[LikelyTurn]:
        """The tokens that were not given yet and begin within the first letters of the answer."""
        return list(self._until(letters))

    def _until(self, letters: int) -> Iterator[LikelyTurn]:
        scores = self._answer.scores
        while self._count < len(scores) and scores[self._count][0] < letters:
            offset, one = scores[self._count]
            before = [scores[self._count - 1][1].token] if self._count else []
            likeliest = tuple(Likely(self._text(before, t), max(x, LEAST)) for t, x in one.likeliest)
            yield LikelyTurn(Likely(self._text(before, one.token), max(one.log_prob, LEAST)), likeliest, offset)
            self._count += 1

    def _text(self, before: Sequence[int], token: int) -> str:
        decoder = self._tokenizer.decoder(before)
        return decoder.push([token]) + decoder.finish()


def of_completion(turns: Sequence[LikelyTurn]) -> dict[str, object]:
    """Lists of tokens, of their log-probabilities, of the likeliest of each turn with the chosen one among them, and of letters before."""
    return {
        "tokens": [turn.chosen.text for turn in turns],
        "token_logprobs": [turn.chosen.log_prob for turn in turns],
        "top_logprobs": [_by_text(turn) for turn in turns],
        "text_offset": [turn.offset for turn in turns],
    }


def _by_text(turn: LikelyTurn) -> dict[str, float]:
    """The likeliest and the chosen one by their texts; of several with one text the likeliest, but for the chosen one itself."""
    by_text = {each.text: each.log_prob for each in reversed(turn.likeliest)}
    return {**by_text, turn.chosen.text: turn.chosen.log_prob}


def of_chat(turns: Sequence[LikelyTurn]) -> dict[str, object]:
    """An entry for each token, with the likeliest of its turn."""
    entries = [
        {**turn.chosen.as_entry(), "top_logprobs": [each.as_entry() for each in turn.likeliest]} for turn in turns
    ]
    return {"content": entries, "refusal": None}
