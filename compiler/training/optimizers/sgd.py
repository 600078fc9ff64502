"""Stochastic gradient descent."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from mai.compiler.training.settings import TorchOptimizer


class Sgd(TorchOptimizer):
    """Stochastic gradient descent (2)."""

    name: ClassVar[str] = "sgd"
    torch_class: ClassVar[str] = "SGD"
    lr: float = Field(default=0.01, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Sgd:
        if self.nesterov and not self.momentum:
            raise ValueError("needs a `momentum` for `nesterov`: `sgd(momentum = 0.9, nesterov = true)`")
        return self
