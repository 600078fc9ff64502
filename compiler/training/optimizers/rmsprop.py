"""Steps of one size in every direction."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.training.settings import TorchOptimizer
from mai.spec.settings import setting


class RmsProp(TorchOptimizer):
    """Gradients over the root of their mean square, which keeps `alpha` of its past (Tieleman and Hinton 2012)."""

    name: ClassVar[str] = "rmsprop"
    torch_class: ClassVar[str] = "RMSprop"
    lr: float = setting(default=1e-3, gt=0)
    alpha: float = setting(default=0.99, ge=0, lt=1)
    eps: float = setting(default=1e-8, gt=0)
    momentum: float = setting(default=0.0, ge=0, lt=1)
    centered: bool = False
    weight_decay: float = setting(default=0.0, ge=0)
