"""A sampler some turns at a time: how far it is, what it would give as it stands, and the next turns only when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Manifest
from mai.runtime.model.prepared import Prepared
from mai.runtime.text.stream import BATCH, step_path, zero_states

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

MOST = 2**31 - 1  # Turns of a call.


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a call is.

    Attributes:
        turns, total: how many turns its loops have taken, and how many there are: of a sampler, steps of its solver.
        result: what a call would return if these turns were all; after the last one, what it returns.
    """

    turns: int
    total: int
    result: Any

    @property
    def share(self) -> float:
        """The part of the turns that is taken, 0 to 1."""
        return self.turns / self.total if self.total else 1.0


def find_part(manifest: Manifest, path: Path) -> Path:
    """The file of some turns beside a file. Raises `ModelError`, `progress-unavailable`, where there is none."""
    part = step_path(path)
    if manifest.text is not None or not part.exists():
        help = (
            "`stream` and `--stream` show a text as it grows"
            if manifest.text
            else f"`mai compile --progress` writes {part.name}"
        )
        raise ModelError("progress-unavailable", f"{path.name} has no file of some of its steps beside it", help)
    return part


def check_is_of(step: Manifest, whole: Manifest | None, path: Path) -> None:
    """Raise `ModelError`, `turns-foreign`, where the file of turns at a path is known to be of another training or text than the whole file."""
    if whole is not None and None not in (step.turns_of, whole.identity) and step.turns_of != whole.identity:
        message = f"{path.name} is not of the {whole.name}.{whole.export}.onnx beside it, but of another training, text or form of its weights"
        raise ModelError("turns-foreign", message, "`mai compile` writes both together; copy them together, too")


def part_by_part(model: Model, call: Prepared, every: int, limit: TimeLimit) -> Iterator[Progress]:
    """What `Model.progress` yields, of a call that is prepared, by the file of some turns. Raises `ModelError`, as that does."""
    if not isinstance(every, (int, np.integer)) or every < 1:
        raise ModelError("input-range", f"`every` is at least 1, a whole number, this is {every}")
    return take_turns(model.by_parts(), call, min(every, MOST), limit)


def take_turns(model: Model, call: Prepared, every: int, limit: TimeLimit) -> Iterator[Progress]:
    """The turns of a file of some turns, `every` of them a call; what comes after is computed when it is asked for."""
    part = model.manifest.part
    assert part is not None, "a file of some turns"
    names = [port.name for port in model.manifest.outputs]
    feed = dict(call.feed) | _first_states(model.manifest, call.feed)
    taken, total = 0, 1
    while taken < total:
        feed |= {part.before: np.array(taken), part.now: np.array(every)}
        results = dict(zip(names, model.compute(feed, limit), strict=True))
        feed |= {name: results[after] for name, after in part.states.items()}
        total = int(results[part.total].max(initial=0))
        taken = min(taken + every, total)
        yield Progress(taken, total, model.finish(call, [results[name] for name in part.results])[0])


def at_once(model: Model, call: Prepared, limit: TimeLimit) -> Any:
    """What a call gives, of a file of some turns that takes all of them. Raises `ModelError`, as a call does."""
    result = None
    for progress in take_turns(model, call, MOST, limit):
        result = progress.result
    return result


def _first_states(manifest: Manifest, feed: Mapping[str, Array]) -> dict[str, Array]:
    """Zeros of the sizes that states have, [batch, ...], which a first call does not read."""
    sizes = {port.name: int(feed.get(port.name, port.default)) for port in manifest.settings if port.dtype == "int64"}  # type: ignore[arg-type]
    for port in manifest.steady_inputs.values():
        axes = ([BATCH] if port.batch else []) + [str(size) for size in port.shape]
        sizes |= dict(zip(axes, feed[port.name].shape, strict=True))
    assert manifest.part is not None, "a file of some turns"
    return zero_states([port for port in manifest.inputs if port.name in manifest.part.states], sizes)
