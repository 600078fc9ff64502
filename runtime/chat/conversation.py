"""A conversation with a compiled file: what earlier messages were computed to is kept, and only new ones are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mai.runtime.arrays import Array
from mai.runtime.chat.pieces import before_stops, ends_among, text_pieces
from mai.runtime.chat.template import UNAVAILABLE, Message, check_variables, render_whole
from mai.runtime.errors import ModelError
from mai.runtime.text.prompts import NOTHING, encode_text, warn_of_length
from mai.runtime.text.scores import Scored, score_turns
from mai.runtime.text.several import several_turns
from mai.runtime.text.stream import Turns, grow

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

SEED = "seed"
MOST_STOPS = 64


class Conversation:
    """Messages and answers, one after the other.

    Attributes:
        messages: what was said so far, `{"role": ..., "content": ...}` each; it may be changed between answers.
        tools: JSON schemas of functions that the model may call, where the template knows any.
        count: the most tokens of an answer; None: as many as the file says.
        scores: how likely the tokens of the last answer were, the one that ended it included, where that is asked for.
    """

    def __init__(
        self, model: Model, *, system: str | None = None, tools: Sequence[Message] | None = None,
        stops: Sequence[str] = (), count: int | None = None, variables: Mapping[str, object] | None = None,
        log_probs: int | None = None, **settings: object,
    ) -> None:  # fmt: skip
        """Begin one.

        Args:
            model: a file that grows a text, whose manifest has a chat template.
            system: what the model is told first.
            stops: texts that end an answer, and are not part of it.
            variables: what the template reads besides, by name, as `enable_thinking`.
            log_probs: keep `scores` of answers, with those of so many of the likeliest tokens of each turn; None: keep none.
            settings: those of the file, as `temperature`. Each answer draws with a seed of its own: the first with `seed`, the next with one more.

        Raises:
            ModelError: `chat-unavailable`: the file has no chat template, no tokenizer, or grows no text. `input-unknown`: its template reads no such variable.
        """
        self.model, self.tools, self.count = model, tools, count
        self._stops, self._variables, self._settings = _checked(stops), dict(variables or {}), settings
        chat, tokenizer, text = model.manifest.chat, model.tokenizer, model.manifest.text
        if text is None:
            help = "a conversation is with the file of an export that does, as `generate`"
            raise ModelError(UNAVAILABLE, f"{model.path.name} grows no text", help)
        if chat is None or tokenizer is None:
            help = "`mai import` takes it from a folder; a spec names it: text(tokenizer = ..., chat = ...)"
            raise ModelError(UNAVAILABLE, f"{model.path.name} has no chat template", help)
        check_variables(chat, self._variables)
        self._chat, self._tokenizer, self._text = chat, tokenizer, text
        self._system: list[Message] = [] if system is None else [{"role": "system", "content": system}]
        self.messages: list[Message] = list(self._system)
        self.scores: list[Scored] = []
        self._log_probs = log_probs
        self._answers = 0
        self._turns: Turns | None = None

    def reset(self) -> None:
        """Forget all messages but the system's, and draw the next answer with the first seed: the same messages get the same answers."""
        self.messages = list(self._system)
        self._answers = 0

    def say(self, text: str, timeout: object = None) -> Iterator[str]:
        """The answer to a message of the user's, in pieces. Both join `messages`; of an answer that is left early, what there was of it."""
        self.messages.append({"role": "user", "content": text})
        parts: list[str] = []
        try:
            for piece in self.answer(timeout):
                parts.append(piece)
                yield piece
        except BaseException:
            if not parts:  # Nothing was said: neither does the message count.
                self.messages.pop()
                raise
            self._answered(parts)
            raise
        self._answered(parts)

    def _answered(self, parts: Sequence[str]) -> None:
        self.messages.append({"role": "assistant", "content": "".join(parts)})

    def answer(self, timeout: object = None) -> Iterator[str]:
        """The answer to the messages as they stand, in pieces; it does not join them.

        Args:
            timeout: the seconds that it may compute.

        Raises:
            ModelError: the template refuses the messages, or they are more than the model reads.
        """
        self.scores = []
        prompt, settings = self._prompt(), self._settings_of_answer()
        self._answers += 1
        tokens = self._tokens(prompt, self._room(len(prompt)), settings, timeout)
        return self._pieces(tokens, self.model.ends(settings))

    def answers(self, several: int, timeout: object = None) -> list[str]:
        """Several answers to the messages as they stand, which are read once, by the step file; none of them joins the messages.

        Raises:
            ModelError: as `answer` does.
        """
        prompt, settings = self._prompt(), self._settings_of_answer()
        room = self._room(len(prompt))
        self._answers += 1
        turns = list(several_turns(self.model, prompt[None], several, room, settings, timeout))
        ends, rows = self.model.ends(settings), zip(*(turn.tolist() for turn in turns), strict=True)
        return ["".join(self._pieces(iter(row), ends)) for row in rows]

    def _prompt(self) -> Array:
        """The tokens [length] of the messages as they stand; the template writes the special ones."""
        text = render_whole(self._chat, self.messages, self.tools, **self._variables)
        prompt = encode_text(self.model.prompt_port, text, self._tokenizer)
        if not len(prompt):
            raise ModelError(UNAVAILABLE, "the chat template makes nothing of these messages")
        return prompt

    def _pieces(self, tokens: Iterator[int], ends: frozenset[int]) -> Iterator[str]:
        """The text of an answer's tokens, up to one that ends it, or to a stop."""
        ends |= ends_among(self._stops, self._tokenizer)
        return before_stops(text_pieces(_until(tokens, ends), self._tokenizer), self._stops)

    def _settings_of_answer(self) -> dict[str, object]:
        port = self.model.settings.get(SEED)
        if port is None:
            return dict(self._settings)
        first = self._settings.get(SEED, port.default)
        return {**self._settings, SEED: int(first) + self._answers}  # type: ignore[call-overload]

    def _room(self, length: int) -> int:
        """How many tokens an answer may have after a prompt."""
        wanted, limit = self._text.usual if self.count is None else self.count, self.model.token_limit
        room = wanted if limit is None else min(wanted, limit - length + 1)
        if room < 1 <= wanted:
            message = f"these messages have {length} tokens, and this model reads at most {limit}"
            raise ModelError("input-range", message, "begin anew, or leave out the first of them")
        warn_of_length(self._text, length + room)
        return room

    def _tokens(self, prompt: Array, count: int, settings: Mapping[str, object], timeout: object) -> Iterator[int]:
        """The tokens of an answer, by turns where there is a step file, or else by the whole file at once."""
        if self.model.can_take_turns or self._log_probs is not None:
            return self._turned(prompt, count, settings, timeout)
        return self._whole(prompt, count, settings, timeout)

    def _whole(self, prompt: Array, count: int, settings: Mapping[str, object], timeout: object) -> Iterator[int]:
        text = self._text
        counted = {text.count: count} if isinstance(text.count, str) else {}
        grown = self.model(timeout=timeout, **{text.prompt: prompt[None], **counted, **settings})
        yield from self.model.longer_text(grown)[0, len(prompt) :].tolist()

    def _turned(self, prompt: Array, count: int, settings: Mapping[str, object], timeout: object) -> Iterator[int]:
        top = self._log_probs
        turns = self.model.turns(prompt[None], count, settings, timeout, scored=top is not None)
        rest = turns.take_over(self._turns, prompt[None]) if self._turns is not None else prompt[None]
        self._turns = turns
        grown = grow(turns, rest, count)
        if top is None:
            yield from (int(chosen[0]) for chosen in grown)
            return
        for (one,) in score_turns(turns, grown, top):
            self.scores.append(one)
            yield one.token


def _until(tokens: Iterator[int], ends: frozenset[int]) -> Iterator[int]:
    for token in tokens:
        if token == NOTHING or token in ends:
            return
        yield token


def _checked(stops: Sequence[str]) -> tuple[str, ...]:
    if isinstance(stops, str) or not all(isinstance(s, str) and s for s in stops) or len(stops) > MOST_STOPS:
        raise ModelError("input-dtype", f"`stops` are up to {MOST_STOPS} texts, this is {str(stops)[:60]!r}")
    return tuple(stops)
