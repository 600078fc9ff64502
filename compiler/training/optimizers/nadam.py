"""Adam that looks a step ahead."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import Betas, TorchOptimizer
from mai.spec.settings import setting


class NAdam(TorchOptimizer):
    """Adam with Nesterov's momentum (Dozat 2016)."""

    name: ClassVar[str] = "nadam"
    torch_class: ClassVar[str] = "NAdam"
    lr: float = setting(default=2e-3, gt=0)
    betas: Betas = (0.9, 0.999)
    eps: float = setting(default=1e-8, gt=0)
    weight_decay: float = setting(default=0.0, ge=0)
    momentum_decay: float = setting(default=4e-3, ge=0)
