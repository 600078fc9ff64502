"""Steps by the sign of the momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.training.settings import Betas, OwnOptimizer
from mai.spec.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

    from mai.compiler.training.settings import State


class Lion(OwnOptimizer):
    """The sign of a momentum, with decoupled weight decay (Chen et al. 2023). Its rate is 3 to 10 times less than Adam's."""

    name: ClassVar[str] = "lion"
    lr: float = setting(default=1e-4, gt=0)
    betas: Betas = (0.9, 0.99)
    weight_decay: float = setting(default=0.0, ge=0)

    def update(self, weight: Tensor, gradient: Tensor, state: State, lr: float) -> None:
        """w - lr (sign(b1 m + (1 - b1) g) + decay w), then m = b2 m + (1 - b2) g."""
        if not state:
            state["momentum"] = gradient.new_zeros(gradient.shape)
        momentum, (now, later) = state["momentum"], self.betas
        direction = momentum.lerp(gradient, 1 - now).sign_()
        weight.mul_(1 - lr * self.weight_decay).sub_(direction, alpha=lr)
        momentum.lerp_(gradient, 1 - later)
