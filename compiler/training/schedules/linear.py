"""A rate that falls evenly."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import WarmedUp
from mai.spec.settings import setting


class Linear(WarmedUp):
    """A straight line down."""

    name: ClassVar[str] = "linear"
    final: float = setting(default=0.0, ge=0, le=1)

    def after(self, step: int, steps: int) -> float:
        return self.final + (1 - self.final) * (1 - step / steps)
