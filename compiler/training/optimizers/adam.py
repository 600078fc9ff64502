"""Adam, whose L2 penalty is a part of the gradient."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mai.compiler.training.settings import Betas, TorchOptimizer


class Adam(TorchOptimizer):
    """Adam (Kingma and Ba 2015)."""

    name: ClassVar[str] = "adam"
    torch_class: ClassVar[str] = "Adam"
    lr: float = Field(default=1e-3, gt=0)
    betas: Betas = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
