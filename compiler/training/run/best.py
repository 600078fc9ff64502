"""`keep = best`: the weights of the lowest held-out loss that a run has seen. They are in its checkpoints, too."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from torch import Tensor

from mai.compiler.training.run.checkpoint import Checkpoint

PREFIX = "best/"


class Best:
    """The best weights so far, as exports will have them, with their step and what they did on the held-out examples."""

    def __init__(self) -> None:
        self.step = 0
        self.figures: dict[str, float] = {"loss": math.inf}
        self.tensors: dict[str, Tensor] = {}

    def offer(self, step: int, figures: Mapping[str, float], weights: Mapping[str, Tensor]) -> None:
        """Keep a copy of these weights if none were better; of equals, the first."""
        if figures["loss"] < self.figures["loss"]:
            self.step, self.figures = step, dict(figures)
            self.tensors = {name: tensor.detach().clone() for name, tensor in weights.items()}

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
