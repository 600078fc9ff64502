"""The size of fp16's gradients: many are below its smallest number, so they are taken of a larger loss (Micikevicius et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.optim import Optimizer


class Scaling:
    """Gradients of a loss that is scaled, and steps by these in their own size; with no scaler, both as they are.

    A step whose gradients overflow is left out, and the next ones are of a smaller loss.
    """

    def __init__(self, scaler: GradScaler | None) -> None:
        self.scaler = scaler

    def backward(self, loss: Tensor, parameters: Sequence[Tensor] | None = None) -> None:
        """Add the gradients of a loss, scaled, to some parameters, or to all that it is computed of."""
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward(inputs=parameters)  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: Optimizer) -> None:
        """Gradients in their own size, to be done before anything looks at how large they are."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: Optimizer) -> None:
        """Step an optimizer; with fp16, only where all gradients are finite."""
        if self.scaler is None:
            optimizer.step()
            return
        self.scaler.step(optimizer)
        self.scaler.update()

    def saved(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: the scale, and how many steps there have been since it changed."""
        if self.scaler is None:
            return {}
        state = self.scaler.state_dict()
        return {
            "scaling/scale": torch.tensor(state["scale"], dtype=torch.float64),
            "scaling/steps": torch.tensor(state["_growth_tracker"]),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint; one of another precision has none of this."""
        if self.scaler is not None and "scaling/scale" in tensors:
            scale, steps = float(tensors["scaling/scale"]), int(tensors["scaling/steps"])
            self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": scale, "_growth_tracker": steps})
