"""Nets that make points of the plane: by average velocities, by couplings."""

from __future__ import annotations

import math

import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.twins.twin import SEED, SEEN, Map, Twin, sliced, step
from mai.runtime.arrays import Array


def moons(count: int, seed: int) -> Array:
    """Points of the two half circles, [count, 2]."""
    return np.asarray(make_moons(count, noise=0.05, random_state=seed)[0], np.float32)


class Residual(nn.Module):
    """A line in, blocks x + W silu(V x) / n, a line out."""

    def __init__(self, inputs: int, blocks: int, width: int = 128) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, 2)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h) / len(self.blocks)
        out: Tensor = self.last(h)
        return out


def sampled(make: Map) -> Map:
    """What a function of normal numbers makes."""

    def sample(batch: int, seed: int) -> Array:
        with torch.no_grad():
            samples: Array = make(torch.randn(batch, 2, generator=torch.Generator().manual_seed(seed))).numpy()
        return samples

    return sample


# ------------------------------------------------------------------- mean flow


def mean_flow(steps: int = 4000) -> Map:
    torch.manual_seed(0)
    net = Residual(5, 4)
    slow = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def u(z: Tensor, r: Tensor, t: Tensor) -> Tensor:
        return net(torch.cat([z, r, t, t - r], 1))

    for turn in range(steps):
        x, e = torch.from_numpy(moons(256, turn)), torch.randn(256, 2)
        t = torch.rand(256, 1)
        r = torch.rand(256, 1) * t
        v = e - x
        now, slope = torch.func.jvp(u, ((1 - t) * x + t * e, r, t), (v, torch.zeros_like(r), torch.ones_like(t)))
        loss = (now - (v - (t - r) * slope).detach()).square().sum(1).mean()
        step(loss, optimizer)
        slow.update_parameters(net)
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    return sampled(lambda e: e - slow(torch.cat([e, *(v.expand(len(e), 1) for v in (zero, one, one))], 1)))


# --------------------------------------------------------------------- couplings


class Couplings(nn.Module):
    """(a, b) -> (b e^tanh(s) + t, a), six times."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2)) for _ in range(6)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros(len(x))
        for net in self.nets:
            a, b = x.chunk(2, 1)
            s, t = net(a).chunk(2, 1)
            x, total = torch.cat([b * s.tanh().exp() + t, a], 1), total + s.tanh()[:, 0]
        return x, total

    def back(self, z: Tensor) -> Tensor:
        for net in reversed(self.nets):
            b, a = z.chunk(2, 1)
            s, t = net(a).chunk(2, 1)
            z = torch.cat([a, (b - t) * (-s.tanh()).exp()], 1)
        return z


def realnvp(steps: int = 4000) -> Map:
    torch.manual_seed(0)
    flow = Couplings()
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)
    for turn in range(steps):
        z, total = flow(torch.from_numpy(moons(512, turn)))
        loss = (z.square().sum(1) / 2 + math.log(2 * math.pi) - total).mean()
        step(loss, optimizer)
    return sampled(flow.back)


def far_from_moons(sample: Map) -> float:
    return sliced(sample(batch=SEEN, seed=SEED), moons(SEEN, 10**6))


APART = "sliced Wasserstein distance, squared, of 4,000 samples to 4,000 points"
TWINS = (
    Twin("mean_flow", "sample", APART, mean_flow, far_from_moons),
    Twin("realnvp", "sample", APART, realnvp, far_from_moons),
)
