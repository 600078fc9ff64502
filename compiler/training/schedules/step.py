"""A rate that falls by steps."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import WarmedUp
from mai.spec.settings import MANY, setting


class Step(WarmedUp):
    """Times `by` every `every` steps."""

    name: ClassVar[str] = "step"
    every: int = setting(default=1000, ge=1, le=MANY)
    by: float = setting(default=0.1, gt=0, le=1)

    def after(self, step: int, steps: int) -> float:
        return float(self.by ** (step // self.every))
