"""What the folder of a run says of it, read without torch and without its spec."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from mai.runtime.run_folders.files import FAILURE, METRICS, RECORD, WEIGHTS, checkpoints, holds_run, step_of
from mai.runtime.run_folders.record import RunRecord, read_record

State = Literal["done", "failed", "stopped", "begun"]
HELD_OUT = "held-out "
LARGEST_HEAD = 1 << 27  # Bytes.
OTHERS = ("lr", "examples_per_second")  # In a line of figures, what is no result.
FEWEST = 5  # Looks at held-out examples: of fewer, the first one is often the best by chance.
Line = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Summary:
    """One run.

    Attributes:
        state: `done` where it has weights, `failed` where it says why it ended, `stopped` where it has a checkpoint to go on from.
        steps: how many it has done; `kept` is the step that its weights are of.
        figures: what its weights do on held-out examples, or else its last figures, by name.
        held_out: whether `figures` are of held-out examples.
    """

    folder: Path
    state: State
    asked: RunRecord | None
    steps: int
    kept: int
    figures: Mapping[str, float]
    held_out: bool
    lines: tuple[Line, ...]


def summary(folder: Path) -> Summary:
    """Of one folder; what is damaged in it is as if it were not there."""
    lines = tuple(read_lines(folder / METRICS))
    metadata = _metadata(folder / WEIGHTS)
    steps = _steps(lines, folder, metadata)
    kept = int(metadata.get("trained_steps", steps))
    figures: dict[str, float] = json.loads(metadata.get("validation", "{}"))
    state: State = "begun"
    if metadata:
        state = "done"
    elif (folder / FAILURE).exists():
        state = "failed"
    elif checkpoints(folder):
        state = "stopped"
    is_held_out = bool(figures) or any(name.startswith(HELD_OUT) for line in lines for name in line)
    shown = figures or last_figures(lines)
    return Summary(folder, state, read_record(folder), steps, kept, shown, is_held_out, lines)


def _steps(lines: Sequence[Line], folder: Path, metadata: Mapping[str, str]) -> int:
    """How many steps were done: a run may be stopped before its first report, or between two."""
    reported = [int(line["step"]) for line in lines[-1:]]
    saved = [step_of(path) for path in checkpoints(folder)[-1:]]
    return max([*reported, *saved], default=int(metadata.get("trained_steps", 0)))


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, begun at least."""
    return folder.is_dir() and (holds_run(folder) or any((folder / name).exists() for name in (METRICS, RECORD)))


def last_figures(lines: tuple[Line, ...]) -> dict[str, float]:
    """The last figures of a run that say how good it is: those of held-out examples, where there are some."""
    for prefix in (HELD_OUT, ""):
        for line in reversed(lines):
            numbers = {n: v for n, v in line.items() if isinstance(v, (int, float)) and n not in (*OTHERS, "step")}
            chosen = {n.removeprefix(prefix): float(v) for n, v in numbers.items() if n.startswith(prefix)}
            if chosen:
                return chosen
    return {}


def note_of_first(
    lines: Sequence[Line],
    metric: str = "loss",
    goal: Literal["min", "max"] = "min",
    since: Mapping[str, int] = MappingProxyType({}),
) -> str | None:
    """What is said where the first look of a run's last block at the held-out examples found its weights best; None where it did not, or few were taken.

    `since` is the step of a block after which the run went on with other data, spec or consts, by the block's name: looks before it do not count.
    """
    block = lines[-1].get("block") if lines else None
    name, sign, after = f"{HELD_OUT}{metric}", 1 if goal == "min" else -1, since.get(str(block or ""), 0)
    own = (line for line in lines if name in line and line.get("block") == block and int(line["step"]) > after)
    looks = [(int(line["step"]), float(line[name])) for line in own]
    if len(looks) < FEWEST or not all(sign * looks[0][1] < sign * value for _, value in looks[1:]):
        return None
    (step, first), (_, last) = looks[0], looks[-1]
    return (
        f"of {len(looks)} looks at the held-out examples the first one, after step {step:,}, was the best: {metric} {first:.4g} there, "
        f"{last:.4g} at the end. What was learnt later does not hold for them: look earlier (`evaluate = {max(1, step // 10)}`), take fewer "
        "steps or weights, or hold back (`dropout`, `weight_decay`)"
    )


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a run's figures; those that are damaged are left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for each in text.splitlines():
        try:
            line = json.loads(each)
            yield {**line, "step": int(line["step"])}
        except (ValueError, KeyError, TypeError):
            continue


def _metadata(path: Path) -> Mapping[str, str]:
    """What weights say of themselves, in the head of their safetensors file; nothing where there are none."""
    try:
        with path.open("rb") as file:
            head = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), LARGEST_HEAD)))
        return {"spec": "", **head.get("__metadata__", {})}
    except (OSError, ValueError, AttributeError):
        return {}
