"""A text token by token: the step file's turns, with its states kept where they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError
from mai.runtime.model.binding import device_of, run_bound, value_of
from mai.runtime.model.manifest import Manifest, Port, Step
from mai.runtime.text.tokenizer import Tokenizer

NEXT = "next"


def step_path(path: Path) -> Path:
    """Where the step file of a whole-generation file lies: beside it."""
    return path.with_name(f"{path.stem}.step{path.suffix}")


def turns(session: ort.InferenceSession, manifest: Manifest, feed: dict[str, Array], count: int) -> Iterator[Array]:
    """The tokens of `count` turns, [batch] each; -1 for a row that has ended. It ends when all rows have.

    `feed` holds the prompt, as the input of the new tokens, and the settings.
    """
    step = manifest.step
    assert step is not None
    batch, length = feed[step.tokens].shape
    device = device_of(session)
    held = {name: value_of(array) for name, array in feed.items()}
    held |= {name: value_of(array, device) for name, array in _first(manifest, step, batch).items()}
    outputs = {NEXT: "cpu"} | dict.fromkeys(step.states.values(), device)
    accepted = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    past = 0
    for turn in range(count):
        held |= {step.past: value_of(np.array(past))} | ({step.turn: value_of(np.array(turn))} if step.turn else {})
        token, *states = run_bound(session, {n: v for n, v in held.items() if n in accepted}, outputs)
        chosen: Array = token.numpy()
        yield chosen
        if (chosen < 0).all():
            return
        held |= dict(zip(step.states, states, strict=True))
        held[step.tokens] = value_of(chosen[:, None])
        past += length
        length = 1


def pieces(made: Iterator[Array], tokenizer: Tokenizer) -> Iterator[str]:
    """The text of a single row's tokens, as soon as it is sure."""
    decoder = tokenizer.decoder()
    for tokens in made:
        piece = decoder.push(tokens[tokens >= 0])
        if piece:
            yield piece
    if last := decoder.finish():
        yield last


def _first(manifest: Manifest, step: Step, batch: int) -> dict[str, Array]:
    """The states before the first turn: zeros, without elements along the text so far."""
    ports = {p.name: p for p in manifest.inputs}
    return {name: np.zeros((batch, *_sizes(ports[name], step)), ports[name].dtype) for name in step.states}


def _sizes(port: Port, step: Step) -> list[int]:
    unknown = [s for s in port.shape if isinstance(s, str) and s != step.past_size]
    if unknown:
        raise ModelError("model-truncated", f"the state `{port.name}` has an unknown size {unknown[0]}")
    return [s if isinstance(s, int) else 0 for s in port.shape]
