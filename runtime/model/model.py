"""A compiled file as a function of numpy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import prepare, unnamed_value_error
from mai.runtime.inputs.labels import warn_of
from mai.runtime.inputs.own_arguments import take_limit, take_number, take_special_tokens
from mai.runtime.inputs.words import as_numbers
from mai.runtime.model.binding import CapturedRuns
from mai.runtime.model.data import save_copy
from mai.runtime.model.failures import check_arrival, run_error
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Manifest
from mai.runtime.model.parts import Progress, at_once, check_is_of, find_part, part_by_part
from mai.runtime.model.prepared import Prepared
from mai.runtime.model.session import CUDA, provider_name
from mai.runtime.self_test.verification import Verification, verify
from mai.runtime.text.growing import GrowsText
from mai.runtime.text.prompts import (
    Prompt,
    check_length,
    check_shortest,
    form_of_texts,
    format_result,
    notes_of_length,
    read_prompt,
)
from mai.runtime.text.tokenizer import Tokenizer, tokenizer_of

if TYPE_CHECKING:
    from mai.runtime.chat.conversation import Conversation
    from mai.runtime.show.drawn import Picture

# How many examples a file computes at a time is chosen for a processor's cache: a GPU takes the whole batch at once.
CHUNK, WHOLE = "batch.chunk", np.array(2**31)


class Model(GrowsText):
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
        self._beside: dict[Callable[[Manifest, Path], Path], Model] = {}
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

    def save(self, path: str | Path) -> Path:
        """Copy the file to a path or into a folder, with what lies beside it: its weights, and the file of one turn. Returns where it is.

        Raises:
            ModelError: `out-unknown`: another name, where its weights lie beside it under its own.
        """
        return save_copy(self.path, Path(path))

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
        warn_of(call.notes)
        return self._computed(call, limit)

    def answer(self, values: dict[str, object]) -> Any:
        """What a call with these inputs and settings returns, without warnings of its numbers: for whoever has told them. Raises `ModelError`, as a call does."""
        return self._computed(self.prepare(values), TimeLimit(None))[0]

    def _computed(self, call: Prepared, limit: TimeLimit) -> tuple[Any, Array | None]:
        if self.manifest.part is not None:
            return at_once(self, call, limit), None
        return self.finish(call, self.compute(call.feed, limit))

    def progress(
        self, /, every: int | None = None, *, timeout: object = None, special_tokens: object = None, **values: object
    ) -> Iterator[Progress]:  # fmt: skip
        """What a call computes, some turns of its loops (steps of its solver) at a time, by the file that `mai compile --progress` writes beside it.

        The last `result` has the bits of a call. Whoever asks for no more ends it; what stands before and after the loops is computed each time.

        Args:
            every: how many turns at a time, 1 by default. An input or a setting of that name has it instead.
            timeout, special_tokens, values: as of a call; what the caller does between two turns does not count.

        Yields:
            How many turns are taken, of how many, and what a call would return if they were all.

        Raises:
            ModelError: as a call does; `progress-unavailable`: there is no such file; `every` is below 1.
        """
        turns = take_number({**self.inputs, **self.settings}, "every", every, values, 1)
        limit = self._time_limit(timeout, values)
        call = self.prepare(values, special_tokens)
        warn_of(call.notes)
        return part_by_part(self, call, turns, limit)

    def prepare(self, values: dict[str, object], special_tokens: object = None) -> Prepared:
        """What a call with these inputs and settings computes, checked and not yet computed; `special_tokens` as of a call.

        Raises:
            ModelError: as a call does.
        """
        form = form_of_texts(self.inputs, values, next(iter(self.outputs.values())))
        prompt = self._tokenize(values, self._takes_special_tokens(special_tokens, values))
        whole = self.manifest
        notes: list[str] = []
        taken = prepare(self.inputs, self.settings, values, whole.smallest, whole.most, whole.facts, notes)
        feed = self._defaults | taken
        if prompt is not None and self.manifest.text is not None:
            check_shortest(self.inputs[self.manifest.text.prompt], prompt.rows, self.manifest.least)
            notes += notes_of_length(self.manifest.text, check_length(self.manifest.text, prompt.rows, feed))
        return Prepared(feed, form if prompt is None else prompt, notes)

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
            return self._with_text(call, dict(zip(self.outputs, results, strict=True))), count
        return results[0] if call.form is None else format_result(call.form, results[0], self.tokenizer), count

    def _with_text(self, call: Prepared, named: dict[str, Any]) -> dict[str, Any]:
        """Several results by name, [batch, ...] each; that which goes on from the prompt in the form that it had."""
        result = self.manifest.text.result if self.manifest.text else None
        if result in named and call.form is not None:
            named[result] = format_result(call.form, named[result], self.tokenizer)
        return named

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

    def _time_limit(self, timeout: object, values: dict[str, object]) -> TimeLimit:
        """The limit of a call; see `take_limit`."""
        limit = take_limit({**self.inputs, **self.settings}, timeout, values)
        if math.isfinite(limit.seconds) and self._captured is not None:
            raise ModelError("cuda-graph", "a CUDA graph is one launch, which `timeout` cannot end", "leave out one")
        return limit

    def _takes_special_tokens(self, special_tokens: object, values: dict[str, object]) -> bool:
        ports = {**self.inputs, **self.settings}
        return take_special_tokens(ports, special_tokens, values, self.manifest.special_tokens)

    def _tokenize(self, values: dict[str, object], special_tokens: bool) -> Prompt | None:
        """Replace texts in `values` by tokens and names of labels by numbers; the prompt of a growing text is returned."""
        text, prompt = self.manifest.text, None
        if text is not None and values.get(text.prompt) is not None:
            prompt = read_prompt(
                self.inputs[text.prompt], values[text.prompt], self.tokenizer, special_tokens=special_tokens
            )
            values[text.prompt] = prompt.rows
        for name, value in values.items():
            port = self.inputs.get(name) or self.settings.get(name)
            if port is not None:
                values[name] = as_numbers(self.manifest, port, value, self.tokenizer, special_tokens=special_tokens)
        return prompt

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

    def by_parts(self) -> Model:
        """The file of some turns: this one, or the one beside it, opened when it is first needed. Raises `ModelError`, `progress-unavailable`."""
        model = self if self.manifest.part is not None else self._opened_beside(find_part)
        if model.manifest.part is None:
            message = f"{model.path.name} does not take some steps of {self.path.name}"
            raise ModelError("progress-unavailable", message, "`mai compile --progress` writes the file that does")
        return model

    def _opened_beside(self, find: Callable[[Manifest, Path], Path]) -> Model:
        """The file beside this one, opened when it is first needed."""
        with self._opening:
            if find not in self._beside:
                step = self._open_step(find(self.manifest, self.path))
                check_is_of(step.manifest, self.manifest, step.path)
                self._beside[find] = step
            return self._beside[find]

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """What turns text into the tokens of this file, and back; None where the file has none."""
        return tokenizer_of(self.manifest.tokenizer) if self.manifest.tokenizer else None

    def __repr__(self) -> str:
        from mai.runtime.show.description import signature

        return signature(self.manifest, list(self.outputs.values()))
