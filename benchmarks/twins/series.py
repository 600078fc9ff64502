"""Irregular series: an equation runs between the times of each example, which change its state."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchdiffeq import odeint

from benchmarks.twins.twin import Map, Twin, batches, data_of, held_out, step
from mai.runtime.arrays import Array

SPEC, WIDTH = "papers/latent_ode", 16
GIVEN, COUNT = 16, 64  # Times of a series that a forecast is made from, and how many series are held out.


class Series(nn.Module):
    """A state [b, n] that moves between times and jumps where a value is seen (Rubanova et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.field = nn.Sequential(nn.Linear(WIDTH, 64), nn.Tanh(), nn.Linear(64, WIDTH))
        self.update = nn.Sequential(nn.Linear(WIDTH + 1, WIDTH), nn.Tanh())
        self.read = nn.Linear(WIDTH, 1)

    def moved(self, h: Tensor, length: Tensor, tolerance: float) -> Tensor:
        """States [b, n] after times [b]: all examples go from 0 to 1, each at its own speed."""
        ends = odeint(
            lambda _, y: length[:, None] * self.field(y), h, torch.tensor([0.0, 1.0]), rtol=tolerance, atol=1e-6
        )
        return torch.as_tensor(ends[1])

    def forward(self, times: Tensor, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The guesses [b, T, 1] before each value is seen, and the last state."""
        h, before, guesses = torch.zeros(len(times), WIDTH), times[:, 0], []
        for i in range(times.shape[1]):
            h = self.moved(h, times[:, i] - before, 1e-3)
            guesses.append(self.read(h))
            h = torch.where(seen[:, i, None] > 0.5, self.update(torch.cat([h, x[:, i]], 1)), h)
            before = times[:, i]
        return torch.stack(guesses, 1), h


def latent_ode(steps: int = 1000) -> Map:
    torch.manual_seed(0)
    series, data = Series(), data_of(SPEC)
    optimizer = torch.optim.Adam(series.parameters(), lr=2e-3)
    for batch in batches(data, steps, 32):
        seen = batch["seen"]
        errors = (seen[..., None] * (series(batch["times"], batch["x"], seen)[0] - batch["x"]) ** 2).sum((1, 2))
        step((errors / seen.sum(1).clamp(min=1)).mean(), optimizer)

    def forecast(times: Array, x: Array, seen: Array, asked: Array) -> Array:
        t, wanted = torch.from_numpy(times), torch.from_numpy(asked)
        with torch.no_grad():
            h = series(t, torch.from_numpy(x), torch.from_numpy(seen))[1]
            rows = [series.read(series.moved(h, wanted[:, i] - t[:, -1], 1e-4)) for i in range(wanted.shape[1])]
        return torch.stack(rows, 1).numpy()

    return forecast


def error_of_forecast(forecast: Map) -> float:
    """The root mean square error of the values at times after those that are given."""
    rows = held_out(data_of(SPEC), COUNT)
    times, x, seen = (np.asarray(rows[name]) for name in ("times", "x", "seen"))
    values = forecast(times=times[:, :GIVEN], x=x[:, :GIVEN], seen=seen[:, :GIVEN], asked=times[:, GIVEN:])
    return float(np.sqrt(np.mean((values - x[:, GIVEN:]) ** 2)))


TWINS = (
    Twin(
        SPEC, "forecast", "root mean square error of a third of each wave, from its first two thirds", latent_ode, error_of_forecast,
    ),
)  # fmt: skip
