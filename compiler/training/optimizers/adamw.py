"""Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import Betas, TorchOptimizer
from mai.spec.settings import setting


class AdamW(TorchOptimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: ClassVar[str] = "adamw"
    torch_class: ClassVar[str] = "AdamW"
    lr: float = setting(default=1e-3, gt=0)
    betas: Betas = (0.9, 0.999)
    eps: float = setting(default=1e-8, gt=0)
    weight_decay: float = setting(default=0.01, ge=0)
