"""Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mai.compiler.training.settings import Betas, TorchOptimizer


class AdamW(TorchOptimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: ClassVar[str] = "adamw"
    torch_class: ClassVar[str] = "AdamW"
    lr: float = Field(default=1e-3, gt=0)
    betas: Betas = (0.9, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
