"""What a compiled file that grows a text does beside a call: turn by turn, several texts of one prompt, how likely its tokens were."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime as ort

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import as_values, prepare
from mai.runtime.inputs.own_arguments import take_number, whole_number
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.text.prompts import Prompt, check_length, read_prompt, warn_of_length
from mai.runtime.text.scores import Scored, score_turns
from mai.runtime.text.several import several_answers
from mai.runtime.text.stream import Turns, decode_stream, find_step_file, grow, step_path
from mai.runtime.text.tokenizer import Tokenizer


class GrowsText(ABC):
    """A loaded file whose text grows; one whose text does not refuses all of this, `stream-unavailable`."""

    session: ort.InferenceSession
    manifest: Manifest
    path: Path
    inputs: dict[str, Port]
    settings: dict[str, Port]
    _defaults: dict[str, Array]

    @property
    @abstractmethod
    def tokenizer(self) -> Tokenizer | None:
        """What turns text into the tokens of this file, and back."""

    @abstractmethod
    def _opened_beside(self, find: Callable[[Manifest, Path], Path]) -> GrowsText:
        """The file beside this one, opened when it is first needed."""

    @abstractmethod
    def _time_limit(self, timeout: object, values: dict[str, object]) -> TimeLimit:
        """The limit of a call."""

    @abstractmethod
    def _takes_special_tokens(self, special_tokens: object, values: dict[str, object]) -> bool:
        """Whether a text gets those that its tokenizer prescribes."""

    @abstractmethod
    def _tokenize(self, values: dict[str, object], special_tokens: bool) -> Prompt | None:
        """Replace texts in `values` by tokens."""

    def stream(
        self, prompt: object, count: int | None = None, *,
        timeout: object = None, special_tokens: object = None, **values: object,
    ) -> Iterator[Any]:  # fmt: skip
        """Continue a prompt token by token, by the step file: this one, or the one beside it.

        Args:
            prompt: a text or several, or rows of tokens; the other inputs and settings are given by name.
            count: how many tokens are appended; by default as many as the spec says.
            timeout: the seconds that all turns together may compute; what the caller does between them does not count.
            special_tokens: as of a call.

        Yields:
            Pieces of text for a prompt that is one text, else the tokens of each turn, [batch], -1 for a row that has
            ended. A character that is split across tokens comes when it is whole.

        Raises:
            ModelError: as a call does; the file grows no text, or its step file is missing.
        """
        start, tokenizer, _, tokens = self._begin(prompt, count, timeout, special_tokens, values)
        is_text = start.as_text and start.single
        return decode_stream(tokens, tokenizer, start.rows[0]) if is_text and tokenizer is not None else tokens

    def scored(
        self, prompt: object, count: int | None = None, *, top: int | None = None,
        timeout: object = None, special_tokens: object = None, **values: object,
    ) -> Iterator[list[Scored]]:  # fmt: skip
        """Continue a prompt token by token, with the log-probability of each: `Scored` says of which distribution.

        Args:
            prompt, count, timeout, special_tokens, values: as of `stream`.
            top: of how many of the likeliest tokens of each turn the log-probabilities are given, too; none by default. An input or
                a setting of that name has it instead.

        Yields:
            What each row got in a turn; the token is -1 for a row that has ended.

        Raises:
            ModelError: as `stream` does; `scores-unavailable`: the file does not say what its tokens are drawn from.
        """
        likeliest = take_number({**self.inputs, **self.settings}, "top", top, values, 0)
        _, _, turns, tokens = self._begin(prompt, count, timeout, special_tokens, values, scored=True)
        return score_turns(turns, tokens, likeliest)

    def _begin(
        self, prompt: object, count: int | None, timeout: object, special_tokens: object, values: Mapping[str, object],
        scored: bool = False,
    ) -> tuple[Prompt, Tokenizer | None, Turns, Iterator[Array]]:  # fmt: skip
        """What the step file reads of a prompt, its tokenizer, its turns, and the tokens that it takes."""
        model, values = self._by_turns(values)
        limit = model._time_limit(timeout, values)
        special = model._takes_special_tokens(special_tokens, values)
        start, total = model._read_start(prompt, count, special)
        model._tokenize(values, special)
        turns = model._turns(start.rows, total, values, limit, scored)
        return start, model.tokenizer, turns, grow(turns, start.rows, total)

    def _read_start(self, prompt: object, count: int | None, special: bool) -> tuple[Prompt, int]:
        """The tokens that a text begins with, and how many come at most: as many as the spec says, or `count`."""
        start, text = read_prompt(self.prompt_port, prompt, self.tokenizer, special_tokens=special), self.manifest.text
        assert text is not None
        total = text.usual if count is None else whole_number("count", count)
        warn_of_length(text, check_length(text, start.rows, {str(text.count): total}))
        return replace(start, rows=as_values(self.prompt_port, start.rows)), total

    def turns(
        self, rows: Array, count: int, values: Mapping[str, object], timeout: object = None, scored: bool = False
    ) -> Turns:
        """The turns of a text that begins with rows of tokens [batch, tokens], none of which is read yet, by this file or the one beside it.

        Args:
            count: how many tokens there will be at most.
            values: the other inputs and the settings, by name; those that turns do not read may be among them.
            timeout: the seconds that all turns together may compute.
            scored: whether the turns keep what their tokens are drawn from.

        Raises:
            ModelError: as a call does, and as `scored` does.
        """
        model, taken = self._by_turns(values)
        return model._turns(rows, count, taken, TimeLimit.of(timeout), scored)

    def _turns(
        self, rows: Array, count: int, values: Mapping[str, object], limit: TimeLimit, scored: bool = False
    ) -> Turns:
        """The turns of a step file, which may have the number of tokens as a setting."""
        step, text, port = self.manifest.step, self.manifest.text, self.prompt_port
        assert step is not None
        assert text is not None
        ports = {port.name: port, **self.manifest.steady_inputs}
        named = {**({str(text.count): count} if str(text.count) in self.settings else {}), port.name: rows, **values}
        whole = self.manifest
        feed = self._defaults | prepare(ports, self.settings, named, whole.smallest, whole.most, whole.facts)
        for name in self.manifest.steady_inputs:
            if len(feed[name]) > len(rows):
                message = f"a text is one row, `{name}` has a batch of {len(feed[name])}"
                raise ModelError("input-shape", message, "give the prompt once for each of them, in a list")
        feed[step.tokens] = feed.pop(port.name)
        return Turns(self.session, self.manifest, feed, limit, scored)

    def answers(
        self, prompt: object, several: int, count: int | None = None, *,
        timeout: object = None, special_tokens: object = None, **values: object,
    ) -> list[Any]:  # fmt: skip
        """Several texts that go on from one prompt, which is read once, by the step file: what a call gives for so many rows of it.

        Args:
            prompt: a text, or a row of tokens.
            several: how many texts.
            count, timeout, special_tokens, values: as of `stream`; an input may have a value for each text, as `seed`.

        Returns:
            Texts for a text, rows of tokens for tokens; the prompt stands before them.

        Raises:
            ModelError: as `stream` does; the prompt is not one, or there are no texts.
        """
        limit = self._time_limit(timeout, values)
        special = self._takes_special_tokens(special_tokens, values)
        start, total = self._read_start(prompt, count, special)
        self._tokenize(values, special)
        return several_answers(self, start, several, total, values, limit)

    @property
    def prompt_port(self) -> Port:
        """The input that a text grows from, as a caller knows it. Raises `ModelError`, `stream-unavailable`, where none grows."""
        step, text = self.manifest.step, self.manifest.text
        if text is None:
            raise ModelError("stream-unavailable", f"{self.path.name} grows no text from an input")
        return self.inputs[text.prompt if step is None else step.tokens].model_copy(update={"name": text.prompt})

    @property
    def can_take_turns(self) -> bool:
        """Whether a text is had token by token: this is a step file, or one lies beside it."""
        return self.manifest.step is not None or (self.manifest.text is not None and step_path(self.path).exists())

    @property
    def token_limit(self) -> int | None:
        """The most tokens that a text reads: by the model, and by the places that a step file has for them; None where nothing limits it."""
        text = (self._by_turns({})[0] if self.can_take_turns else self).manifest.text
        return None if text is None else text.limit

    def longer_text(self, answer: object) -> Any:
        """What goes on from the prompt, of what a call returned: rows of tokens [batch, length], or texts."""
        if not isinstance(answer, dict):
            return answer
        result = self.manifest.text.result if self.manifest.text else None
        return answer[result] if result in answer else next(iter(answer.values()))

    def ends(self, values: Mapping[str, object]) -> frozenset[int]:
        """The tokens that end a text with these settings, by name."""
        ends = self.manifest.text.ends if self.manifest.text else []
        defaults = {p.name: p.default for p in self.manifest.settings}
        return frozenset(e if isinstance(e, int) else int(values.get(e, defaults[e])) for e in ends)  # type: ignore[call-overload]

    def _by_turns(self, values: Mapping[str, object]) -> tuple[GrowsText, dict[str, object]]:
        """The file that takes turns, this one or the one beside it; and the values by name without those that it does not need."""
        model = self if self.manifest.step is not None else self._opened_beside(find_step_file)
        if model.manifest.step is None:
            message = f"{model.path.name} does not take the turns of {self.path.name}"
            raise ModelError("stream-unavailable", message, "`mai compile` writes the file that does")
        unread = {*self.inputs, *self.settings} - {*model.inputs, *model.settings}
        return model, {name: value for name, value in values.items() if name not in unread}
