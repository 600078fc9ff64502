"""`keep = best`: the weights that did best on the held-out examples of all that a run has seen. They are in its checkpoints, too."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.training import settings
from mai.runtime.run_folders.files import METRICS
from mai.runtime.run_folders.record import read_record
from mai.runtime.run_folders.summary import note_of_first, read_lines

if TYPE_CHECKING:
    from torch import Tensor

    from mai.compiler.torch.parameters import Weights
    from mai.compiler.training.run.checkpoint import Checkpoint

PREFIX = "best/"


def notes_of_run(out: Path, kept: settings.Kept) -> list[str]:
    """What is said of the run in a folder whose weights were best at the first look, of those that are `kept` or by the loss."""
    metric, goal = (kept.metric, kept.direction) if isinstance(kept, settings.Best) else ("loss", "min")
    record = read_record(out)
    note = note_of_first([*read_lines(out / METRICS)], metric, goal, {} if record is None else record.since)
    return [] if note is None else [note]


class Best:
    """The best weights so far, as exports will have them, with their step and what they did on the held-out examples."""

    def __init__(self, kept: settings.Best) -> None:
        self.kept = kept
        self.step = 0
        self.figures: dict[str, float] = {}
        self.tensors: dict[str, Tensor] = {}

    def offer(self, step: int, figures: Mapping[str, float], weights: Mapping[str, Tensor]) -> None:
        """Keep a copy of these weights if none were better; of equals, the first."""
        if self._is_better(figures[self.kept.metric]):
            self.step, self.figures = step, dict(figures)
            self.tensors = {name: tensor.detach().clone() for name, tensor in weights.items()}

    def judge_again(self, weights: Weights, figures: Callable[[], Mapping[str, float]]) -> None:
        """Take what the best weights do on the examples, and by the objective, that there are now; `weights` are lent for it."""
        if self.tensors:
            own = {name: tensor.detach().clone() for name, tensor in weights.state_dict().items()}
            weights.load_state_dict(self.tensors)
            self.figures = dict(figures())
            weights.load_state_dict(own)

    def _is_better(self, figure: float) -> bool:
        sign = 1 if self.kept.direction == "min" else -1
        return sign * figure < sign * self.figures.get(self.kept.metric, sign * math.inf)

    def has_ended(self, step: int) -> bool:
        """Whether none was better for so many steps that a run is to end, after this one."""
        return self.kept.patience is not None and step - self.step >= self.kept.patience

    def saved(self) -> dict[str, Tensor]:
        """For a checkpoint, beside `metadata`."""
        return {f"{PREFIX}{name}": tensor for name, tensor in self.tensors.items()}

    def metadata(self) -> dict[str, str]:
        """What a checkpoint states of the best weights; nothing where there are none yet."""
        return {"best": json.dumps({"step": self.step, "figures": self.figures})} if self.tensors else {}

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint; one of a run that kept its last weights has nothing to compare with."""
        if "best" in checkpoint.metadata:
            best = json.loads(checkpoint.metadata["best"])
            self.step, self.figures, self.tensors = best["step"], best["figures"], checkpoint.part(PREFIX)
