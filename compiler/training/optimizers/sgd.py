"""Stochastic gradient descent."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import TorchOptimizer
from mai.spec.settings import setting


class Sgd(TorchOptimizer):
    """Stochastic gradient descent (2)."""

    name: ClassVar[str] = "sgd"
    torch_class: ClassVar[str] = "SGD"
    lr: float = setting(default=0.01, gt=0)
    momentum: float = setting(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = setting(default=0.0, ge=0)

    def misfit(self) -> str | None:
        if self.momentum or not self.nesterov:
            return None
        return "needs a `momentum` for `nesterov`: `sgd(momentum = 0.9, nesterov = true)`"
