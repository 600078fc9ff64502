"""A compiled file as a function of numpy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import as_values, prepare, unnamed_value_error
from mai.runtime.inputs.words import as_numbers
from mai.runtime.model.binding import CapturedRuns
from mai.runtime.model.failures import check_arrival, run_error
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.model.own_arguments import take_limit, take_special_tokens
from mai.runtime.model.parts import Progress, at_once, find_part, part_by_part
from mai.runtime.model.prepared import Prepared
from mai.runtime.model.session import CUDA, provider_name
from mai.runtime.self_test.verification import Verification, verify
from mai.runtime.text.prompts import Prompt, check_length, check_shortest, form_of_texts, format_result, read_prompt
from mai.runtime.text.several import several_answers
from mai.runtime.text.stream import Turns, decode_stream, find_step_file, grow, step_path
from mai.runtime.text.tokenizer import Tokenizer, tokenizer_of

if TYPE_CHECKING:
    from mai.runtime.chat.conversation import Conversation
    from mai.runtime.show.drawn import Picture

# How many examples a file computes at a time is chosen for a processor's cache: a GPU takes the whole batch at once.
CHUNK, WHOLE = "batch.chunk", np.array(2**31)


class Model:
    """A loaded file. Call it with inputs and settings by name; it may be called from several threads at once.

    Attributes:
        manifest: what the file says of itself.
        spec: the text that it was compiled from.
        path: where it lies.
        inputs, settings, outputs: its ports by name, as a call takes and gives them: without the counters of `counted`, and the states
            of a file of some turns.
    """

    def __init__(
        self, session: ort.InferenceSession, manifest: Manifest, spec: str, path: Path,
        open_step: Callable[[Path], Model], captured: CapturedRuns | None = None,
    ) -> None:  # fmt: skip
        self.session, self._open_step, self._captured = session, open_step, captured
        self._step_model: Model | None = None
        self._opening = Lock()
        self.manifest, self.spec, self.path = manifest, spec, path
        hidden = manifest.own_ports
        self.inputs = {p.name: p for p in manifest.inputs if p.name not in hidden}
        self.settings = {p.name: p for p in manifest.settings if p.name not in hidden}
        self.outputs = {p.name: p for p in manifest.outputs if p.name not in hidden}
        overridable = {i.name for i in session.get_overridable_initializers()}
        settable = [p.name for p in manifest.settings] if manifest.required else overridable
        self._accepted = {*(p.name for p in manifest.inputs), *settable}
        self._defaults = {p.name: np.array(p.default, p.dtype) for p in manifest.settings} if manifest.required else {}
        self._fixed = {CHUNK: WHOLE} if CHUNK in overridable and CUDA in self.providers else {}

    def __reduce__(self) -> tuple[Callable[[Path], Model], tuple[Path]]:
        """It is copied and pickled as the name of its file, which is opened again as this one was."""
        return self._open_step, (self.path.absolute(),)

    @property
    def providers(self) -> list[str]:
        """The execution providers in use, the preferred one first."""
        return list(self.session.get_providers())

    def __call__(
        self, /, *unnamed: object, timeout: object = None, special_tokens: object = None, **values: object
    ) -> Any:
        """Run the file once.

        Every input has the batch as its first axis; one example of exactly an input's own shape stands for a batch of
        one, and beside inputs of many examples a batch of one is repeated for each of them. Settings that are left out
        have their defaults. Numbers and lists are taken as arrays. Where the file has a tokenizer, tokens may be a text.
        A prompt that a text grows from may be several, of different lengths; the result is text for text, and a list of
        rows where the lengths differ.

        Args:
            timeout: the seconds after which the call is ended; by default it may take as long as it needs. An input or a
                setting of that name has it instead. A `TimeLimit` has the seconds, and another thread may `cancel` it. Ctrl-C ends
                a call of the main thread.
            special_tokens: whether a text stands between the special tokens that its tokenizer prescribes, as `[CLS]` and
                `[SEP]`; a text to go on from has those before it alone. By default as the file's manifest says: not where
                the model was trained by mai on a text, which has none. An input or a setting of that name has it instead.

        Returns:
            The output as an array, or a dictionary of arrays by name where the export returns several.

        Raises:
            ModelError: a name, shape, dtype or value is not as the file says, an adaptive solver did not arrive, or the
                call took longer than `timeout`.
        """
        return self.counted(*unnamed, timeout=timeout, special_tokens=special_tokens, **values)[0]

    def by_output(self, answer: Any) -> dict[str, Any]:
        """What a call returned, arrays [examples, ...] or texts, by the names of the outputs, of one output, too."""
        return answer if isinstance(answer, dict) else {next(iter(self.outputs)): answer}

    def counted(
        self, /, *unnamed: object, timeout: object = None, special_tokens: object = None, **values: object
    ) -> tuple[Any, Array | None]:
        """Run the file once, and return its count of work beside the result, as `(result, count)`.

        The count is, for a file with adaptive solvers, how often the velocity was evaluated for each example, [batch]; for a
        text that reads drafts, how many turns it took, []; None for any other file.

        Raises:
            ModelError: as a call does.
        """
        if unnamed:
            raise unnamed_value_error([*self.inputs, *self.settings])
        limit = self._time_limit(timeout, values)
        call = self.prepare(values, special_tokens)
        if self.manifest.part is not None:
            return at_once(self, call, limit), None
        return self.finish(call, self.compute(call.feed, limit))

    def progress(
        self, every: int = 1, *, timeout: object = None, special_tokens: object = None, **values: object
    ) -> Iterator[Progress]:  # fmt: skip
        """What a call computes, `every` so many turns of its loops (steps of its solver), by the file that `mai compile --progress` writes beside it.

        The last `result` has the bits of a call. Whoever asks for no more ends it; what stands before and after the loops is computed each time.

        Args:
            timeout, special_tokens, values: as of a call; what the caller does between two turns does not count.

        Yields:
            How many turns are taken, of how many, and what a call would return if they were all.

        Raises:
            ModelError: as a call does; `progress-unavailable`: there is no such file; `every` is below 1.
        """
        limit = self._time_limit(timeout, values)
        return part_by_part(self, self.prepare(values, special_tokens), every, limit)

    def prepare(self, values: dict[str, Any], special_tokens: object = None) -> Prepared:
        """What a call with these inputs and settings computes, checked and not yet computed; `special_tokens` as of a call.

        Raises:
            ModelError: as a call does.
        """
        form = form_of_texts(self.inputs, values, next(iter(self.outputs.values())))
        prompt = self._tokenize(values, self._takes_special_tokens(special_tokens, values))
        feed = self._defaults | prepare(self.inputs, self.settings, values, self.manifest.smallest, self.manifest.most)
        if prompt is not None and self.manifest.text is not None:
            check_shortest(self.inputs[self.manifest.text.prompt], prompt.rows, self.manifest.least)
            check_length(self.manifest.text, prompt.rows, feed)
        return Prepared(feed, form if prompt is None else prompt)

    def compute(self, feed: Mapping[str, Array], limit: TimeLimit) -> list[Array]:
        """The outputs for the arrays of a call, inputs [batch, ...], in the file's order, its counters last. Raises `ModelError`, as a call does."""
        taken = {name: array for name, array in feed.items() if name in self._accepted} | self._fixed
        try:
            if self._captured is not None:  # One launch, which nothing ends; its graph belongs to the calling thread.
                return self._captured(taken)
            results: list[Array] = limit.run(partial(self.session.run, None, taken))
        except ModelError:
            raise
        except Exception as error:  # ONNX Runtime raises many types of its own.
            raise run_error(self.path, self.inputs, taken, error) from error
        return results

    def finish(self, call: Prepared, results: Sequence[Array]) -> tuple[Any, Array | None]:
        """What `counted` returns of a call, from what `compute` gave for it, [batch, ...] each. Raises `ModelError`, as a call does."""
        results = list(results)
        turns = results.pop() if self.manifest.turns else None
        evaluations = results.pop() if self.manifest.evaluations else None
        if evaluations is not None:
            check_arrival(evaluations)
        count = turns if evaluations is None else evaluations
        if len(results) > 1:
            return dict(zip(self.outputs, results, strict=True)), count
        return results[0] if call.form is None else format_result(call.form, results[0], self.tokenizer), count

    def _repr_html_(self) -> str:
        """What it takes, gives and holds, as a table of a notebook."""
        from mai.runtime.show.description import table

        return table(self.manifest)

    def draw(self, output: str | None = None, /, **values: object) -> Picture:
        """Run the file once and draw a result, as `mai run --out` does: points, paths, images, curves, maps, bars.

        Args:
            output: which result, where there are several; by default the first.
            values: inputs and settings, as of a call.

        Raises:
            ModelError: the call is refused, the result is a text, or matplotlib is not installed.
        """
        from mai.runtime.show.look import picture_of

        return picture_of(self, output, values)

    def verify(self, tolerance: float | None = None) -> Verification:
        """Run the self-test that travels in the file, and compare.

        Args:
            tolerance: how far results may be off, instead of what the file says: for one that another program has quantized.

        Returns:
            How far every output of every run is from what the file gave when it was written.

        Raises:
            ModelError: `self-test-failed`: an output differs by more than is allowed; `self-test-missing`: the file has none.
        """
        verification = self.run_self_test(tolerance)
        verification.check(self.path.name)
        return verification

    def run_self_test(self, tolerance: float | None = None) -> Verification:
        """What `verify` returns, whatever differs. Raises `ModelError`, `self-test-missing`."""

        def compute(arrays: Mapping[str, Array]) -> dict[str, Array]:
            names = [p.name for p in self.manifest.outputs]
            return dict(zip(names, self.compute(arrays, TimeLimit(None)), strict=True))

        return verify(self.manifest, self.path.name, provider_name(self.providers[0]), compute, tolerance)

    def _time_limit(self, timeout: object, values: dict[str, Any]) -> TimeLimit:
        """The limit of a call; see `take_limit`."""
        limit = take_limit({**self.inputs, **self.settings}, timeout, values)
        if math.isfinite(limit.seconds) and self._captured is not None:
            raise ModelError("cuda-graph", "a CUDA graph is one launch, which `timeout` cannot end", "leave out one")
        return limit

    def _takes_special_tokens(self, special_tokens: object, values: dict[str, Any]) -> bool:
        ports = {**self.inputs, **self.settings}
        return take_special_tokens(ports, special_tokens, values, self.manifest.special_tokens)

    def _tokenize(self, values: dict[str, Any], special_tokens: bool) -> Prompt | None:
        """Replace texts in `values` by tokens and names of labels by numbers; the prompt of a growing text is returned."""
        text, prompt = self.manifest.text, None
        if text is not None and text.prompt in values:
            prompt = read_prompt(
                self.inputs[text.prompt], values[text.prompt], self.tokenizer, special_tokens=special_tokens
            )
            values[text.prompt] = prompt.rows
        for name, value in values.items():
            port = self.inputs.get(name) or self.settings.get(name)
            if port is not None:
                values[name] = as_numbers(self.manifest, port, value, self.tokenizer, special_tokens=special_tokens)
        return prompt

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
        model, values = self._by_turns(values)
        limit = model._time_limit(timeout, values)
        special = model._takes_special_tokens(special_tokens, values)
        return model._stream(prompt, count, values, limit, special)

    def _stream(
        self, prompt: object, count: int | None, values: dict[str, object], limit: TimeLimit, special: bool
    ) -> Iterator[Any]:
        """What `stream` yields, of a step file."""
        start, total = self._read_start(prompt, count, special)
        self._tokenize(values, special)
        tokens = grow(self._turns(start.rows, total, values, limit), start.rows, total)
        as_text = start.as_text and start.single and self.tokenizer is not None
        return decode_stream(tokens, self.tokenizer, start.rows[0]) if as_text and self.tokenizer else tokens

    def _read_start(self, prompt: object, count: int | None, special: bool) -> tuple[Prompt, int]:
        """The tokens that a text begins with, and how many come at most: as many as the spec says, or `count`."""
        start, text = read_prompt(self.prompt_port, prompt, self.tokenizer, special_tokens=special), self.manifest.text
        assert text is not None
        total = text.usual if count is None else count
        check_length(text, start.rows, {str(text.count): total})
        return replace(start, rows=as_values(self.prompt_port, start.rows)), total

    def turns(self, rows: Array, count: int, values: Mapping[str, object], timeout: object = None) -> Turns:
        """The turns of a text that begins with rows of tokens [batch, tokens], none of which is read yet, by this file or the one beside it.

        Args:
            count: how many tokens there will be at most.
            values: the other inputs and the settings, by name; those that turns do not read may be among them.
            timeout: the seconds that all turns together may compute.

        Raises:
            ModelError: as a call does.
        """
        model, taken = self._by_turns(values)
        return model._turns(rows, count, taken, TimeLimit.of(timeout))

    def _turns(self, rows: Array, count: int, values: Mapping[str, object], limit: TimeLimit) -> Turns:
        """The turns of a step file, which may have the number of tokens as a setting."""
        step, text, port = self.manifest.step, self.manifest.text, self.prompt_port
        assert step is not None
        assert text is not None
        ports = {port.name: port, **self.manifest.steady_inputs}
        named = {**({str(text.count): count} if str(text.count) in self.settings else {}), port.name: rows, **values}
        feed = self._defaults | prepare(ports, self.settings, named, self.manifest.smallest, self.manifest.most)
        feed[step.tokens] = feed.pop(port.name)
        return Turns(self.session, self.manifest, feed, limit)

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
        special = self._takes_special_tokens(special_tokens, values)
        start, total = self._read_start(prompt, count, special)
        self._tokenize(values, special)
        return several_answers(self, start, several, total, values, timeout)

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

    def ends(self, values: Mapping[str, object]) -> frozenset[int]:
        """The tokens that end a text with these settings, by name."""
        ends = self.manifest.text.ends if self.manifest.text else []
        defaults = {p.name: p.default for p in self.manifest.settings}
        return frozenset(e if isinstance(e, int) else int(values.get(e, defaults[e])) for e in ends)  # type: ignore[call-overload]

    def conversation(self, **said: Any) -> Conversation:
        """Begin a conversation with a file that has a chat template; `Conversation` says what may be said."""
        from mai.runtime.chat.conversation import Conversation

        return Conversation(self, **said)

    def chat(self, messages: Sequence[Mapping[str, object]], *, timeout: object = None, **said: Any) -> str:
        """The answer to messages, `{"role": "user", "content": "hello"}` each, by the file's chat template.

        Args:
            timeout: the seconds that it may compute.
            said: what `Conversation` takes: `tools`, `stops`, `count`, `variables`, and the settings of the file.

        Raises:
            ModelError: `chat-unavailable`: the file has no chat template, or it refuses the messages.
        """
        conversation = self.conversation(**said)
        conversation.messages += messages
        return "".join(conversation.answer(timeout))

    def _by_turns(self, values: Mapping[str, object]) -> tuple[Model, dict[str, object]]:
        """The file that takes turns, this one or the one beside it; and the values by name without those that it does not need."""
        model = self if self.manifest.step is not None else self._opened_beside(find_step_file)
        unread = {*self.inputs, *self.settings} - {*model.inputs, *model.settings}
        return model, {name: value for name, value in values.items() if name not in unread}

    def by_parts(self) -> Model:
        """The file of some turns: this one, or the one beside it, opened when it is first needed. Raises `ModelError`, `progress-unavailable`."""
        return self if self.manifest.part is not None else self._opened_beside(find_part)

    def _opened_beside(self, find: Callable[[Manifest, Path], Path]) -> Model:
        """The file beside this one, opened when it is first needed."""
        with self._opening:
            if self._step_model is None:
                self._step_model = self._open_step(find(self.manifest, self.path))
            return self._step_model

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """What turns text into the tokens of this file, and back; None where the file has none."""
        return tokenizer_of(self.manifest.tokenizer) if self.manifest.tokenizer else None

    def __repr__(self) -> str:
        from mai.runtime.show.description import signature

        return signature(self.manifest, list(self.outputs.values()))
