"""Orthogonal steps for matrices, AdamW's for all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from mai.compiler.training.settings import Betas, OwnOptimizer
from mai.spec.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

    from mai.compiler.training.settings import State

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's polynomial a x + b x^3 + c x^5, applied `TURNS` times.
TURNS = 5
TINY = 1e-7


class Muon(OwnOptimizer):
    """Matrices move by their Nesterov momentum made orthogonal, by Newton-Schulz (Jordan et al. 2024).

    Weights of another rank move as AdamW moves them, at the rate `adam_lr`. Tables of `embed` and the last layer are
    matrices, too. The `lr` of a `group` is that of all its weights. `weight_decay` is decoupled and of all weights.
    """

    name: ClassVar[str] = "muon"
    lr: float = setting(default=0.02, gt=0)
    momentum: float = setting(default=0.95, ge=0, lt=1)
    weight_decay: float = setting(default=0.0, ge=0)
    adam_lr: float = setting(default=3e-4, gt=0)
    betas: Betas = (0.9, 0.95)
    eps: float = setting(default=1e-8, gt=0)

    def with_rate(self, lr: float) -> Self:
        """The same for weights that all move at this rate, those of another rank than matrices, too."""
        return self.but(lr=lr, adam_lr=lr)

    def update(self, weight: Tensor, gradient: Tensor, state: State, lr: float) -> None:
        """w (1 - lr decay) - lr U, where U is what this step would be at a rate of 1."""
        if weight.ndim == 2:
            move = self._orthogonal(gradient, state)
        else:
            lr *= self.adam_lr / self.lr
            move = self._adam(gradient, state)
        weight.mul_(1 - lr * self.weight_decay).sub_(move, alpha=lr)

    def _orthogonal(self, gradient: Tensor, state: State) -> Tensor:
        """The momentum [n, d] with all singular values near 1, times sqrt(n / d) where n is more than d."""
        if not state:
            state["momentum"] = gradient.new_zeros(gradient.shape)
        momentum = state["momentum"].lerp_(gradient, 1 - self.momentum)
        rows, columns = gradient.shape
        ahead = gradient.lerp(momentum, self.momentum)
        scale: float = max(1.0, rows / columns) ** 0.5
        move: Tensor = scale * orthogonalised(ahead)
        return move

    def _adam(self, gradient: Tensor, state: State) -> Tensor:
        """mean / (sqrt(square) + eps), both without the bias of their beginning."""
        if not state:
            state["step"] = gradient.new_zeros((), device="cpu")
            state["mean"], state["square"] = (gradient.new_zeros(gradient.shape) for _ in range(2))
        state["step"] += 1
        step, (first, second) = float(state["step"]), self.betas
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].lerp_(gradient * gradient, 1 - second)
        size = (square / (1 - second**step)).sqrt() + self.eps
        move: Tensor = mean / (1 - first**step) / size
        return move


def orthogonalised(matrix: Tensor) -> Tensor:
    """U V' of a matrix U S V', nearly: singular values between 0.7 and 1.2, but for those that were almost 0."""
    a, b, c = NEWTON_SCHULZ
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x: Tensor = wide / (wide.norm() + TINY)
    for _ in range(TURNS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if wide is not matrix else x
