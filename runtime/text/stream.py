"""A text token by token: the turns of a step file, whose states stay on the device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.sizes import computed_size
from mai.runtime.model.binding import device_of, run_bound, to_ort_value
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Manifest, Port, Step
from mai.runtime.text.tokenizer import Tokenizer, decode_pieces

ROOM = "`mai compile --capacity` makes it so; a file without it has no such end"
BATCH = "batch"  # The size of the first axis of inputs and states.
NEXT = "next"  # The output of a step file that holds the chosen tokens.


def step_path(path: Path) -> Path:
    """The path of the step file of a whole-generation file: `gpt.generate.step.onnx` beside `gpt.generate.onnx`."""
    return path.with_name(f"{path.stem}.step{path.suffix}")


def find_step_file(manifest: Manifest, path: Path) -> Path:
    """The step file that lies beside a file. Raises `ModelError`, `stream-unavailable`, where there is none."""
    if manifest.text is None:
        raise ModelError("stream-unavailable", f"{path.name} grows no text token by token")
    step = step_path(path)
    if not step.exists():
        message = f"{path.name} streams by {step.name}, which is missing"
        raise ModelError(
            "stream-unavailable",
            message,
            "`mai compile` writes it beside the file, but for a search, and where each token computes the whole text",
        )
    return step


def _logits_of(manifest: Manifest) -> str:
    """The output that the tokens of a step file are drawn from. Raises `ModelError`, `scores-unavailable`."""
    if manifest.step is None or manifest.step.logits is None:
        message = f"{manifest.name}.{manifest.export} does not say how likely its tokens are"
        help = "it does where the token that is appended is drawn, `next ~ categorical(z)`; of an older file, `mai compile` again"
        raise ModelError("scores-unavailable", message, help)
    return manifest.step.logits


def grow(turns: Turns, prompt: Array, count: int) -> Iterator[Array]:
    """Read the prompt [batch, tokens], then take turns until there are `count` new tokens, or every row has ended.

    Yields:
        The token that each row gets in a turn, [batch]; -1 for a row that has ended.
    """
    *parts, tokens = turns.parts(prompt)
    for part in parts if count else ():
        turns.read(part)
    for turn in range(count):
        chosen = turns.take(tokens, turn)
        if not turn:
            turns.keep_prompt()
        yield chosen
        if (chosen < 0).all():
            return
        tokens = chosen[:, None]


class Turns:
    """The turns of one text; its states stay on the device."""

    def __init__(
        self, session: ort.InferenceSession, manifest: Manifest, feed: dict[str, Array], limit: TimeLimit,
        scored: bool = False,
    ) -> None:  # fmt: skip
        """Begin a text.

        Args:
            feed: the prompt [batch, tokens] as the step's input of new tokens, and the settings.
            limit: the time that all turns together may take.
            scored: whether `logits` is kept.

        Raises:
            ModelError: `scores-unavailable`: the file has no logits to keep.
        """
        assert manifest.step is not None
        self._sizes = {p.name: p.shape for p in manifest.inputs if p.name in manifest.step.states}
        self._tokens: list[Array] = []  # that were read, [batch, new] each
        self._after_prompt: tuple[int, dict[str, ort.OrtValue]] = (0, {})
        self._session, self._step, self._limit = session, manifest.step, limit
        self._past, self._device = 0, device_of(session)
        device = self._device
        first = _initial_states(manifest, self._step, feed)
        self._values = {name: to_ort_value(array) for name, array in feed.items()}
        self._values |= {name: to_ort_value(array, device) for name, array in first.items()}
        self._kept = [_logits_of(manifest)] if scored else []
        self._logits: list[ort.OrtValue] = []
        self._outputs = dict.fromkeys([NEXT, *self._kept], "cpu") | dict.fromkeys(self._step.states.values(), device)
        self._accepted = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}

    def take(self, tokens: Array, turn: int) -> Array:
        """Read tokens [batch, new] and choose the one after them, [batch]."""
        step, values = self._step, self._values
        if step.capacity is not None and self._past + tokens.shape[1] > step.capacity:
            raise ModelError(
                "input-range", f"this file has places for {step.capacity} tokens, and the text is longer", ROOM
            )
        values[step.tokens], values[step.past] = to_ort_value(tokens), to_ort_value(np.array(self._past))
        if step.turn:
            values[step.turn] = to_ort_value(np.array(turn))
        feed = {n: v for n, v in values.items() if n in self._accepted}
        token, *rest = self._limit.run(partial(run_bound, self._session, feed, self._outputs))
        self._logits, states = rest[: len(self._kept)], rest[len(self._kept) :]
        values |= dict(zip(step.states, states, strict=True))
        self._past += tokens.shape[1]
        self._tokens.append(tokens)
        chosen: Array = token.numpy()
        return chosen

    @property
    def logits(self) -> Array:
        """What the tokens of the last turn were drawn from, [batch, vocab], where it is kept."""
        (kept,) = self._logits
        logits: Array = kept.numpy()
        return logits

    def read(self, tokens: Array) -> None:
        """Read tokens [batch, new] of a prompt that goes on: what is chosen after them is thrown away, and ends nothing."""
        ended = self._step.ended
        before = self._values[ended] if ended else None
        self.take(tokens, 0)
        if ended and before is not None:
            self._values[ended] = before

    def parts(self, prompt: Array) -> list[Array]:
        """A prompt as turns read it: [batch, tokens] each, the first one the shortest."""
        block, total = self._step.block, prompt.shape[1]
        if block is None or total <= block:
            return [prompt]
        return np.split(prompt, range(total - (total - 1) // block * block, total, block), axis=1)

    def take_over(self, before: Turns, prompt: Array) -> Array:
        """Begin with what the turns of another text computed of the tokens that a prompt [batch, tokens] has in common with it.

        Returns:
            The rest of the prompt, [batch, new], which is still to be read: one token at least.
        """
        length, states = before.states_within(before.common_length(prompt))
        self._values |= states
        self._past, self._tokens = length, [prompt[:, :length]] if length else []
        return prompt[:, length:]

    def branch_off(self, one: Turns) -> None:
        """Begin each row with what the turns of a text of one row computed."""
        rows = self._values[next(iter(self._sizes))].shape()[0]
        for name in self._sizes:
            self._values[name] = to_ort_value(np.repeat(one._values[name].numpy(), rows, axis=0), self._device)
        self._past, self._tokens = one._past, [np.repeat(tokens, rows, axis=0) for tokens in one._tokens]

    def common_length(self, prompt: Array) -> int:
        """How many tokens of a prompt [batch, tokens] but its last were read here in their order; 0 where the batches differ."""
        if not self._tokens or len(self._tokens[0]) != len(prompt):
            return 0
        read = np.concatenate(self._tokens, axis=1)
        most = min(read.shape[1], prompt.shape[1] - 1)
        differs = np.nonzero((read[:, :most] != prompt[:, :most]).any(0))[0]
        return int(differs[0]) if len(differs) else most

    def keep_prompt(self) -> None:
        """Keep the states as they are after a prompt, where they cannot be cut back to it later."""
        if not all(map(self._is_cut, self._sizes)):
            self._after_prompt = self._past, {name: self._values[name] for name in self._sizes}

    def states_within(self, length: int) -> tuple[int, dict[str, ort.OrtValue]]:
        """The states after the first `length` tokens, or after fewer where these cannot be had, and after how many; no row has ended there.

        A state that has a row for each token is cut; one that says something of all tokens together was kept after the prompt, or not.
        """
        past, states = self._past, {name: self._values[name] for name in self._sizes}
        if length < past and not all(map(self._is_cut, self._sizes)):
            past, states = self._after_prompt if length >= self._after_prompt[0] else (0, {})
            length = past
        if not length:
            return 0, {}
        return length, {name: self._cut(name, value, length) for name, value in states.items()}

    def _is_cut(self, name: str) -> bool:
        """Whether a state is had after fewer tokens, too."""
        return (
            name in (self._step.ended, *self._step.settled, *self._step.fixed)
            or self._step.past_size in self._sizes[name]
        )

    def _cut(self, name: str, value: ort.OrtValue, length: int) -> ort.OrtValue:
        """A state after `length` tokens, of one that can be cut or is so long."""
        step, shape = self._step, self._sizes[name]
        if name == step.ended:
            return to_ort_value(np.zeros_like(value.numpy()), self._device)
        if step.past_size not in shape or value.shape()[1 + shape.index(step.past_size)] == length:
            return value
        return to_ort_value(np.take(value.numpy(), range(length), 1 + shape.index(step.past_size)), self._device)


def grow_several(one: Turns, several: Turns, prompt: Array, rows: int, count: int) -> Iterator[Array]:
    """Several texts from one prompt [1, tokens], which is read once: what `grow` yields of so many rows of it.

    All but its last token are read by `one`, whose states then are those of each row of `several`, which have drawn nothing yet.
    """
    for part in one.parts(prompt[:, :-1]) if prompt.shape[1] > 1 and count else ():
        one.read(part)
    several.branch_off(one)
    yield from grow(several, np.repeat(prompt[:, -1:], rows, axis=0), count)


def decode_stream(tokens: Iterator[Array], tokenizer: Tokenizer, prompt: Array) -> Iterator[str]:
    """The text of one row's tokens, [1] a turn, in pieces; a character that is split across tokens waits for its last one.

    The tokens of the `prompt`, [length], are not shown, but the text of the first new one may depend on them.
    """
    return decode_pieces(tokenizer.decoder(prompt), (row[row >= 0] for row in tokens))


def _initial_states(manifest: Manifest, step: Step, feed: dict[str, Array]) -> dict[str, Array]:
    """The states before the first turn: zeros [batch, ...], of size 0 along the axis of the text so far."""
    sizes = {step.past_size: 0}
    for port in manifest.steady_inputs.values():
        sizes.update(zip(map(str, port.shape), feed[port.name].shape[1:], strict=True))
    sizes[BATCH] = len(feed[step.tokens])
    return zero_states([p for p in manifest.inputs if p.name in step.states], sizes)


def zero_states(ports: Iterable[Port], sizes: Mapping[str, int]) -> dict[str, Array]:
    """Zeros [batch, ...] for states, of sizes by name. Raises `ModelError`, `model-truncated`: one is not known."""
    return {p.name: np.zeros([_size(p, size, sizes) for size in (BATCH, *p.shape)], p.dtype) for p in ports}


def _size(port: Port, size: int | str, sizes: Mapping[str, int]) -> int:
    if isinstance(size, int):
        return size
    number = sizes[size] if size in sizes else computed_size(size, sizes)
    if number is None:
        raise ModelError("model-truncated", f"the state `{port.name}` has an unknown size {size}")
    return number
