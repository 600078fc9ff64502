"""Optimizers, learning rates and the moving average, from a spec's settings."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mai.spec import settings as st


def make_optimizer(settings: st.TrainSettings, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that the spec names, its update fused into one kernel."""
    chosen, held = settings.optimizer, list(parameters)
    if isinstance(chosen, st.Sgd):
        return torch.optim.SGD(held, **chosen.model_dump(), fused=True)
    kind = torch.optim.AdamW if isinstance(chosen, st.AdamW) else torch.optim.Adam
    return kind(held, **chosen.model_dump(), fused=True)


def rate(settings: st.TrainSettings, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at a step (from 0) of `steps`."""
    schedule = settings.schedule
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if isinstance(schedule, st.Constant):
        return 1.0
    done = (step - schedule.warmup) / max(1, steps - schedule.warmup)
    shape = 1 - done if isinstance(schedule, st.Linear) else 0.5 * (1 + math.cos(math.pi * done))
    return schedule.final + (1 - schedule.final) * shape


def set_rate(optimizer: torch.optim.Optimizer, base: float, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = base * factor


class MovingAverage:
    """An exponential moving average of the trained weights; early on it forgets faster: min(decay, (1 + t) / (10 + t))."""

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.live = parameters
        self.average = {name: p.detach().clone() for name, p in parameters.items()}

    def update(self, step: int) -> None:
        keep = min(self.decay, (1 + step) / (10 + step))
        live: list[Tensor] = [p.detach() for p in self.live.values()]
        torch._foreach_lerp_(list(self.average.values()), live, 1 - keep)
