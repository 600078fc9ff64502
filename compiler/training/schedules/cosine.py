"""A rate that falls on half a cosine."""

from __future__ import annotations

import math
from typing import ClassVar

from mai.compiler.training.settings import WarmedUp
from mai.spec.settings import setting


class Cosine(WarmedUp):
    """Half a cosine (Loshchilov and Hutter 2017)."""

    name: ClassVar[str] = "cosine"
    final: float = setting(default=0.0, ge=0, le=1)

    def after(self, step: int, steps: int) -> float:
        shape = 0.5 * (1 + math.cos(math.pi * (step / steps)))
        return self.final + (1 - self.final) * shape
