"""One rate."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import WarmedUp


class Constant(WarmedUp):
    """One rate, after its warmup."""

    name: ClassVar[str] = "constant"

    def after(self, step: int, steps: int) -> float:
        return 1.0
