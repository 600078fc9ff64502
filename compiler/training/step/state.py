"""What a step changes, as a checkpoint keeps it: everything that the next step depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.parts import cut_like, whole
from mai.compiler.training.run import checkpoint as ck
from mai.compiler.training.run.best import Best
from mai.compiler.training.step.objective import Objective
from mai.compiler.training.step.optimizer import LearningRate, MovingAverage
from mai.compiler.training.step.scaling import Scaling

LOSSES = "losses"  # Of every objective: the last one known.


@dataclass(slots=True)
class State:
    """The weights, their moving average and the best of them, and what optimizers, fp16 and the schedule remember."""

    weights: Weights
    objectives: Sequence[Objective]
    average: MovingAverage | None
    scaling: Scaling
    rate: LearningRate
    best: Best | None
    losses: list[float] = field(default_factory=list)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name: `weights/...`, `average/...`, `optimizer/...` and so on."""
        tensors = {f"weights/{n}": t for n, t in self.weights.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average/{n}": t for n, t in self.average.average.items()}
        for place, objective in enumerate(self.objectives):
            tensors |= ck.optimizer_tensors(objective.optimizer, list(objective.parameters), place)
        tensors |= self.scaling.saved() | self.rate.saved()
        tensors[LOSSES] = torch.tensor(self.losses, dtype=torch.float64)
        return tensors if self.best is None else tensors | self.best.saved()

    def metadata(self) -> dict[str, str]:
        """What a checkpoint states besides."""
        return {} if self.best is None else self.best.metadata()

    def restore(self, checkpoint: ck.Checkpoint, settings: dict[str, str], folder: Path) -> None:
        """Go on from a checkpoint in a run's folder. Raises `MaiError` where it is of other weights, or had other settings."""
        shapes = {n: tuple(t.shape) for n, t in self.weights.state_dict().items()}
        ck.check_same(checkpoint, shapes, settings, folder)
        checkpoint = replace(checkpoint, tensors={n: self._in_parts(n, t) for n, t in checkpoint.tensors.items()})
        self.weights.load_state_dict(checkpoint.part("weights/"))
        if self.average is not None:
            for name, tensor in checkpoint.part("average/").items():
                self.average.average[name].copy_(tensor)
        for place, objective in enumerate(self.objectives):
            ck.restore_optimizer(objective.optimizer, list(objective.parameters), place, checkpoint.tensors)
        self.scaling.restore(checkpoint.tensors)
        self.rate.restore(checkpoint.tensors)
        if LOSSES in checkpoint.tensors:
            self.losses = checkpoint.tensors[LOSSES].tolist()
        if self.best is not None:
            self.best.restore(checkpoint)

    def _in_parts(self, name: str, tensor: Tensor) -> Tensor:
        """A checkpoint's tensor in parts, if those of its weight are."""
        kind, _, rest = name.partition("/")
        weight = rest.partition("/")[2].rpartition("/")[0] if kind == "optimizer" else rest
        return cut_like(tensor, self.weights.state_dict().get(weight))

    def whole(self) -> dict[str, Tensor]:
        """All of it, of weights in parts the whole; all processes ask for it together."""
        return {name: whole(tensor) for name, tensor in self.tensors().items()}
