"""A rate that falls where the loss stays."""

from __future__ import annotations

import math
from typing import ClassVar

from mai.compiler.training.settings import WarmedUp, Watcher
from mai.spec.settings import MANY, setting


class Plateau(WarmedUp):
    """Times `by` whenever the loss, taken every `every` steps, was more than `patience` times no lower than the best.

    It is the loss on held-out examples, or on the training batches where none is held out. Lower is by a share of at least
    `least`; the rate falls to `final` of itself and no further.
    """

    name: ClassVar[str] = "plateau"
    every: int = setting(default=100, ge=1, le=MANY)
    patience: int = setting(default=10, ge=0, le=MANY)
    by: float = setting(default=0.1, gt=0, lt=1)
    least: float = setting(default=1e-4, ge=0, lt=1)
    final: float = setting(default=0.0, ge=0, le=1)

    def after(self, step: int, steps: int) -> float:
        return 1.0

    def watcher(self) -> Watcher:
        return Falls(self)


class Falls:
    """The best loss that was seen, how often in a row none was better, and what the rate is multiplied by since."""

    def __init__(self, settings: Plateau) -> None:
        self.settings, self.every = settings, settings.every
        self.best, self.worse, self.factor = math.inf, 0, 1.0

    def see(self, loss: float) -> None:
        """The loss, every `every` steps. A negative one is lower by a share of its size."""
        better = self.best - self.settings.least * abs(self.best) if math.isfinite(self.best) else math.inf
        if loss < better:
            self.best, self.worse = loss, 0
            return
        self.worse += 1
        if self.worse > self.settings.patience:
            self.factor, self.worse = max(self.factor * self.settings.by, self.settings.final), 0

    def saved(self) -> list[float]:
        """For a checkpoint."""
        return [self.best, self.worse, self.factor]

    def restore(self, numbers: list[float]) -> None:
        """Go on from what `saved` gave."""
        self.best, worse, self.factor = numbers
        self.worse = int(worse)
