"""Answers to prompts: whole, in a call that may be shared, or token by token."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.chat.pieces import before_stops, ends_among, text_pieces
from mai.runtime.errors import ModelError
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Text
from mai.runtime.serving.options import Options
from mai.runtime.serving.reading import check_numbers
from mai.runtime.serving.running import prepared
from mai.runtime.serving.served import Served
from mai.runtime.serving.sharing import SEED
from mai.runtime.text.prompts import NOTHING, check_length
from mai.runtime.text.scores import Scored, score_turns
from mai.runtime.text.several import several_scored
from mai.runtime.text.stream import grow
from mai.runtime.text.tokenizer import Tokenizer

EXAMPLE = "example"
SEEDS = 2**31
Result = TypeVar("Result")


class Answer:
    """One answer: its text as the tokens come, and afterwards of how many tokens it was and why it ended.

    Attributes:
        tokens: how many there were, one that ends the text not counted.
        is_cut: whether there were as many as were asked for, and nothing ended it.
        scores: of the tokens, how many letters there were before each, and how likely it was, where they are scored.
    """

    def __init__(self, tokenizer: Tokenizer, ends: frozenset[int], stops: Sequence[str], is_json: bool = False) -> None:
        """Begin one; `is_json`: whether it is compiled to be JSON, which is whole within any number of tokens that has room for it."""
        self._tokenizer, self._ends, self._stops, self._is_json = tokenizer, ends, stops, is_json
        self.tokens, self._letters, self.is_cut = 0, 0, False
        self._said: list[str] = []
        self.scores: list[tuple[int, Scored]] = []
        self._last: Scored | None = None

    @property
    def reason(self) -> Literal["stop", "length"]:
        """Why it ended: `stop`, a token or a text that ends it, or JSON that is whole; `length`, there were as many tokens as were asked for."""
        return "length" if self.is_cut and not (self._is_json and _is_whole("".join(self._said))) else "stop"

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of some tokens, up to what ends it; no piece is empty."""
        return before_stops(self._lettered(text_pieces(self._counted(tokens), self._tokenizer)), self._stops)

    def scored_pieces(self, scored: Iterable[Scored]) -> Iterator[str]:
        """The same of tokens whose scores are kept."""
        return self.pieces(self._noted(scored))

    def _noted(self, scored: Iterable[Scored]) -> Iterator[int]:
        for one in scored:
            self._last = one
            yield one.token

    def _lettered(self, pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            self._letters += len(piece)
            if self._is_json:
                self._said.append(piece)
            yield piece

    def _counted(self, tokens: Iterable[int]) -> Iterator[int]:
        for token in tokens:
            if token == NOTHING or token in self._ends:
                return
            self.tokens += 1
            if self._last is not None:
                self.scores.append((self._letters, self._last))
            yield token
        self.is_cut = True


def _is_whole(text: str) -> bool:
    """Whether a text is JSON from its beginning to its end."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True)
class Wanted:
    """What is asked of a file that grows texts.

    Attributes:
        prompt: the tokens to go on from, [length].
        count: how many tokens come at most.
        several: how many answers.
        stops: texts that end an answer.
        values: settings and inputs by name, the seed among them where the file draws.
        likeliest: of how many tokens of each turn the log-probabilities are given beside that of the chosen one; None: of none.
    """

    one: Served
    prompt: Array
    count: int
    several: int
    stops: tuple[str, ...]
    values: Mapping[str, object]
    likeliest: int | None = None

    @property
    def text(self) -> Text:
        """What the file says of the text that it grows."""
        text = self.one.model.manifest.text
        assert text is not None
        return text

    def answer(self) -> Answer:
        """An answer that is still without tokens."""
        tokenizer = self.one.model.tokenizer
        assert tokenizer is not None
        ends = self.one.model.ends(self.values) | ends_among(self.stops, tokenizer)
        return Answer(tokenizer, ends, self.stops, is_json=self.text.answers is not None)

    def call(self, rows: int) -> dict[str, object]:
        """The values of a call for so many answers. Raises `ModelError`, `body-too-large`."""
        check_numbers(rows, len(self.prompt))
        self.check_length(self.text)
        counted = {self.text.count: self.count} if isinstance(self.text.count, str) else {}
        return {**counted, **self.beside(rows), self.text.prompt: np.repeat(self.prompt[None], rows, axis=0)}

    def check_length(self, text: Text) -> None:
        """Check that prompt and answer fit into what a file reads, in the words of who asks. Raises `ModelError`."""
        check_length(text, self.prompt[None], {str(text.count): self.count}, said_as="max_tokens")

    def beside(self, rows: int) -> dict[str, object]:
        """What a call for so many answers takes beside the prompt and the number of tokens."""
        numbers = {EXAMPLE: list(range(rows))} if EXAMPLE in self.one.model.inputs else {}
        return {**numbers, **self.values}


def take_count(text: Text, values: dict[str, object], asked: int | None) -> int:
    """How many tokens come at most, by OpenAI's names or by that of the file's own setting, which is taken out of `values`.

    A file without such a setting gives no more than its spec says.

    Raises:
        ModelError: both names say it, or it is no number of tokens.
    """
    if not isinstance(text.count, str):
        return text.usual if asked is None else min(asked, text.usual)
    own = values.pop(text.count, None)
    if own is None:
        return text.usual if asked is None else asked
    if asked is not None:
        raise ModelError("input-unknown", f"`{text.count}` and `max_tokens` are one number: say one of them")
    if not isinstance(own, int) or isinstance(own, bool) or own < 1:
        raise ModelError("input-range", f"`{text.count}` is a number of tokens, 1 at least")
    return own


def seeded(one: Served, values: Mapping[str, object]) -> dict[str, object]:
    """Values with a seed: the one that was asked for, or any, where the file draws."""
    takes = SEED in one.model.settings or SEED in one.model.inputs
    return {SEED: secrets.randbelow(SEEDS), **values} if takes else dict(values)


async def whole(wanted: Wanted, options: Options, seconds: float) -> list[tuple[Answer, str]]:
    """All answers to a prompt, with their texts.

    Raises:
        ModelError: as a call of the file does.
    """
    call, _ = await asyncio.to_thread(lambda: prepared(wanted.one, options, wanted.call(wanted.several)))
    if wanted.likeliest is not None:
        return await _scored(wanted, seconds)
    results = await wanted.one.line.ask(call.feed, seconds)
    grown, _ = wanted.one.model.finish(call, results)
    rows = wanted.one.model.longer_text(grown)[:, len(wanted.prompt) :]
    return await asyncio.to_thread(lambda: [_read(wanted, row.tolist()) for row in rows])


async def _scored(wanted: Wanted, seconds: float) -> list[tuple[Answer, str]]:
    """The same with the scores of all tokens, by the step file."""
    row, rows, top = wanted.prompt[None], wanted.several, wanted.likeliest or 0

    def begin(limit: TimeLimit) -> Iterator[list[Scored]]:
        _check_places(wanted)
        return several_scored(wanted.one.model, row, rows, wanted.count, wanted.beside(rows), limit, top)

    turns = [turn async for turn in wanted.one.line.stream(begin, seconds)]
    answers = [wanted.answer() for _ in range(rows)]
    texts = ["".join(a.scored_pieces(turn[i] for turn in turns)) for i, a in enumerate(answers)]
    return list(zip(answers, texts, strict=True))


async def together(asks: Sequence[Callable[[], Awaitable[Result]]], most: int) -> list[Result]:
    """What all give, in their order, `most` of them at one time; where one fails, the others are given up."""
    places = asyncio.Semaphore(most)

    async def one(ask: Callable[[], Awaitable[Result]]) -> Result:
        async with places:
            return await ask()

    tasks = [asyncio.ensure_future(one(ask)) for ask in asks]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def _read(wanted: Wanted, tokens: list[int]) -> tuple[Answer, str]:
    answer = wanted.answer()
    return answer, "".join(answer.pieces(tokens[: wanted.count]))


async def streamed(wanted: Wanted, options: Options, answer: Answer, seconds: float) -> AsyncIterator[str]:
    """The one answer to a prompt, piece by piece; in one piece, where the file has no step file beside it.

    Raises:
        ModelError: as a call of the file does.
    """
    await asyncio.to_thread(prepared, wanted.one, options, wanted.call(1))  # Which refuses what is wrong.
    if not wanted.one.model.can_take_turns and wanted.likeliest is None:
        ((done, text),) = await whole(wanted, options, seconds)
        answer.tokens, answer.is_cut = done.tokens, done.reason == "length"
        yield text
        return

    def begin(limit: TimeLimit) -> Iterator[str]:
        _check_places(wanted)
        model, row, top = wanted.one.model, wanted.prompt[None], wanted.likeliest
        turns = model.turns(row, wanted.count, wanted.beside(1), limit, scored=top is not None)
        grown = grow(turns, row, wanted.count)
        if top is None:
            return answer.pieces(int(chosen[0]) for chosen in grown)
        return answer.scored_pieces(one for (one,) in score_turns(turns, grown, top))

    async for piece in wanted.one.line.stream(begin, seconds):
        yield piece


def _check_places(wanted: Wanted) -> None:
    """Check that the file of turns has places for a prompt and its answer: it may have fewer than the model reads."""
    wanted.check_length(wanted.text.model_copy(update={"limit": wanted.one.model.token_limit}))


def room(limit: int | None, length: int, count: int) -> int:
    """How many tokens of `count` an answer may have after so many of messages, since the model reads no more than its limit.

    Raises:
        ModelError: `input-range`: none.
    """
    left = count if limit is None else min(count, limit - length + 1)
    if left < 1:
        raise ModelError("input-range", f"these messages have {length} tokens, and this model reads at most {limit}")
    return left
