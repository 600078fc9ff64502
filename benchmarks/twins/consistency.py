"""A consistency model, trained as Song and Dhariwal 2024 do."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.twins.generative import Residual, sampled
from benchmarks.twins.twin import SEED, SEEN, Map, Twin, batches, data_of, frequencies, step

SPEC = "papers/consistency"
LOW, HIGH, STEPS, C, D = 0.02, 4.0, 8000, 0.01, 1.6


class Agreeing(nn.Module):
    """x where the noise is low, a net elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Residual(10 + 32, 3)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        far = (D**2 + noise**2).sqrt()
        near = x / far
        angles = torch.cat([torch.pi / 2 * near, torch.pi * near], 1)
        inside = self.net(torch.cat([near, angles.cos(), angles.sin(), frequencies(noise.log() / 8, 32)], 1))
        return D**2 / (D**2 + (noise - LOW) ** 2) * x + D * (noise - LOW) / far * inside


def level(i: Tensor, count: int) -> Tensor:
    return (LOW ** (1 / 7) + i / count * (HIGH ** (1 / 7) - LOW ** (1 / 7))) ** 7


def places(size: int, count: int) -> Tensor:
    """Which of the levels, by a noise whose logarithm is normal: [size, 1]."""
    low, high = (float(torch.special.ndtr(torch.tensor((math.log(s) + 1.1) / 2))) for s in (LOW, HIGH))
    s = 2 * torch.special.ndtri(low + (high - low) * torch.rand(size, 1)) - 1.1
    place = count * ((s / 7).exp() - LOW ** (1 / 7)) / (HIGH ** (1 / 7) - LOW ** (1 / 7))
    return place.floor().clamp(0, count - 1)


def consistency() -> Map:
    torch.manual_seed(0)
    f = Agreeing()
    slow = AveragedModel(f, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.Adam(f.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min(1, (k + 1) / 100) * (0.02 + 0.49 * (1 + math.cos(math.pi * k / STEPS)))
    )
    for turn, rows in enumerate(batches(data_of(SPEC), STEPS, 512)):
        count = min(10 * 2 ** math.floor(5 * (turn + 1) / STEPS), 160)
        x, i = rows["x"], places(512, count)
        z, near, away = torch.randn_like(x), level(i, count), level(i + 1, count)
        apart = f(x + away * z, away) - f(x + near * z, near).detach()
        step(((((apart**2).sum(1, keepdim=True) + C**2).sqrt() - C) / (away - near)).mean(), optimizer)
        schedule.step()
        slow.update_parameters(f)
    return sampled(lambda z: slow(HIGH * z, torch.full((len(z), 1), HIGH)))


def in_right_squares(sample: Map) -> float:
    """The share of samples in squares of the board, of side 1, that have points."""
    x = sample(batch=SEEN, seed=SEED)
    even = np.floor(x).sum(1) % 2 == 0
    return float((even & (np.abs(x).max(1) < 2)).mean())


TWINS = (
    Twin(SPEC, "sample", "share of samples of one step in squares with data", consistency, in_right_squares, "1, all"),
)
