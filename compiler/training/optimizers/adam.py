"""Adam, whose L2 penalty is a part of the gradient."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import Betas, TorchOptimizer
from mai.spec.settings import setting


class Adam(TorchOptimizer):
    """Adam (Kingma and Ba 2015)."""

    name: ClassVar[str] = "adam"
    torch_class: ClassVar[str] = "Adam"
    lr: float = setting(default=1e-3, gt=0)
    betas: Betas = (0.9, 0.999)
    eps: float = setting(default=1e-8, gt=0)
    weight_decay: float = setting(default=0.0, ge=0)
