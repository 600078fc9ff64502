"""A rate that falls evenly."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mai.compiler.training.settings import WarmedUp


class Linear(WarmedUp):
    """A straight line down."""

    name: ClassVar[str] = "linear"
    final: float = Field(default=0.0, ge=0, le=1)

    def after(self, step: int, steps: int) -> float:
        return self.final + (1 - self.final) * (1 - step / steps)
