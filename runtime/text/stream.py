"""A text token by token: the turns of a step file, whose states stay on the device."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.binding import device_of, run_bound, to_ort_value
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Manifest, Port, Step
from mai.runtime.text.tokenizer import Tokenizer

NEXT = "next"  # The output of a step file that holds the chosen tokens.


def step_path(path: Path) -> Path:
    """The path of the step file of a whole-generation file: `gpt.generate.step.onnx` beside `gpt.generate.onnx`."""
    return path.with_name(f"{path.stem}.step{path.suffix}")


def generate(
    session: ort.InferenceSession, manifest: Manifest, feed: dict[str, Array], count: int, limit: TimeLimit
) -> Iterator[Array]:
    """Run a step file for `count` turns, or until every row has ended.

    Args:
        feed: the prompt [batch, tokens] as the step's input of new tokens, and the settings.
        count: the largest number of turns.
        limit: the time that all turns together may take.

    Yields:
        The token that each row gets in a turn, [batch]; -1 for a row that has ended.
    """
    turns = Turns(session, manifest, feed, limit)
    *parts, tokens = _parts(feed, manifest)
    for part in parts if count else ():
        turns.read(part)
    for turn in range(count):
        chosen = turns.take(tokens, turn)
        yield chosen
        if (chosen < 0).all():
            return
        tokens = chosen[:, None]


def _parts(feed: dict[str, Array], manifest: Manifest) -> list[Array]:
    """The prompt as its turns read it: [batch, tokens] each, the first one the shortest."""
    step = manifest.step
    assert step is not None
    prompt = feed[step.tokens]
    total = prompt.shape[1]
    if step.block is None or total <= step.block:
        return [prompt]
    return np.split(prompt, range(total - (total - 1) // step.block * step.block, total, step.block), axis=1)


class Turns:
    """The turns of one text; its states stay on the device."""

    def __init__(
        self, session: ort.InferenceSession, manifest: Manifest, feed: dict[str, Array], limit: TimeLimit
    ) -> None:
        assert manifest.step is not None
        self._session, self._step, self._limit = session, manifest.step, limit
        self._past, device = 0, device_of(session)
        first = _initial_states(manifest, self._step, feed)
        self._values = {name: to_ort_value(array) for name, array in feed.items()}
        self._values |= {name: to_ort_value(array, device) for name, array in first.items()}
        self._outputs = {NEXT: "cpu"} | dict.fromkeys(self._step.states.values(), device)
        self._accepted = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}

    def take(self, tokens: Array, turn: int) -> Array:
        """Read tokens [batch, new] and choose the one after them, [batch]."""
        step, values = self._step, self._values
        values[step.tokens], values[step.past] = to_ort_value(tokens), to_ort_value(np.array(self._past))
        if step.turn:
            values[step.turn] = to_ort_value(np.array(turn))
        feed = {n: v for n, v in values.items() if n in self._accepted}
        token, *states = self._limit.run(partial(run_bound, self._session, feed, self._outputs))
        values |= dict(zip(step.states, states, strict=True))
        self._past += tokens.shape[1]
        chosen: Array = token.numpy()
        return chosen

    def read(self, tokens: Array) -> None:
        """Read tokens [batch, new] of a prompt that goes on: what is chosen after them is thrown away, and ends nothing."""
        ended = self._step.ended
        before = self._values[ended] if ended else None
        self.take(tokens, 0)
        if ended and before is not None:
            self._values[ended] = before


def decode_stream(tokens: Iterator[Array], tokenizer: Tokenizer, prompt: Array) -> Iterator[str]:
    """The text of one row's tokens, [1] a turn, in pieces; a character that is split across tokens waits for its last one.

    The tokens of the `prompt`, [length], are not shown, but the text of the first new one may depend on them.
    """
    decoder = tokenizer.decoder(prompt)
    for row in tokens:
        piece = decoder.push(row[row >= 0])
        if piece:
            yield piece
    if last := decoder.finish():
        yield last


def _initial_states(manifest: Manifest, step: Step, feed: dict[str, Array]) -> dict[str, Array]:
    """The states before the first turn: zeros [batch, ...], of size 0 along the axis of the text so far."""
    sizes: dict[int | str, int] = {step.past_size: 0}
    for port in manifest.steady_inputs.values():
        sizes.update(zip(port.shape, feed[port.name].shape[1:], strict=True))
    batch = len(feed[step.tokens])
    ports = [p for p in manifest.inputs if p.name in step.states]
    return {p.name: np.zeros((batch, *_sizes(p, sizes)), p.dtype) for p in ports}


def _sizes(port: Port, sizes: dict[int | str, int]) -> list[int]:
    unknown = [s for s in port.shape if isinstance(s, str) and s not in sizes]
    if unknown:
        raise ModelError("model-truncated", f"the state `{port.name}` has an unknown size {unknown[0]}")
    return [s if isinstance(s, int) else sizes[s] for s in port.shape]
