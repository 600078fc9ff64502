"""A rate that falls on half a cosine."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from mai.compiler.training.settings import WarmedUp


class Cosine(WarmedUp):
    """Half a cosine (Loshchilov and Hutter 2017)."""

    name: ClassVar[str] = "cosine"
    final: float = Field(default=0.0, ge=0, le=1)

    def after(self, step: int, steps: int) -> float:
        shape = 0.5 * (1 + math.cos(math.pi * (step / steps)))
        return self.final + (1 - self.final) * shape
