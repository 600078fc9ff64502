"""A learned space, and a flow between its codes (Rombach et al. 2022)."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from sklearn.svm import SVC
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.twins.functions import digits
from benchmarks.twins.twin import Map, Twin, batches, data_of, frequencies, step
from mai.runtime.arrays import Array

SPEC, K = "papers/latent_flow", 4
EACH = 100


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(1, 32, 3, stride=2, padding=1), nn.Linear(512, 128)
        self.mean, self.scale = nn.Linear(128, K), nn.Linear(128, K)
        self.back = nn.Sequential(
            nn.Linear(K, 128), nn.SiLU(), nn.Linear(128, 256), nn.SiLU(), nn.Linear(256, 64), nn.Tanh()
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.silu(self.far(F.silu(self.near(x)).flatten(1)))
        return self.mean(h), F.softplus(self.scale(h)) + 1e-3

    def decode(self, z: Tensor) -> Tensor:
        out: Tensor = self.back(z).unflatten(1, (1, 8, 8))
        return out


class Velocity(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.label, self.last = nn.Linear(K + 32, 128), nn.Embedding(10, 128), nn.Linear(128, K)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 128)) for _ in range(3)
        )

    def forward(self, z: Tensor, s: Tensor, y: Tensor) -> Tensor:
        h = self.first(torch.cat([z, frequencies(s, 32)], 1)) + self.label(y)
        for block in self.blocks:
            h = h + block(h) / 3
        out: Tensor = self.last(h)
        return out


def autoencoder() -> Autoencoder:
    data, net = data_of(SPEC), Autoencoder()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for rows in batches(data, 60 * math.ceil((data.count or 0) / 64), 64):
        m, s = net.encode(rows["x"])
        z = m + s * torch.randn_like(m)
        apart = (net.decode(z) - rows["x"]).square().sum((1, 2, 3))
        step((apart + 0.05 * (0.5 * (m**2 + s**2 - 1) - s.log()).sum(1)).mean(), optimizer)
    return net


def latent_flow() -> Map:
    torch.manual_seed(0)
    coder, net = autoencoder(), Velocity()
    slow = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for rows in batches(data_of(SPEC), 4000, 256):
        with torch.no_grad():
            z = coder.encode(rows["x"])[0]
        z0, s = torch.randn_like(z), torch.rand(len(z), 1)
        wanted, velocity = z - z0, net((1 - s) * z0 + s * z, s, rows["y"])
        step((wanted - velocity).square().sum(1).mean(), optimizer)
        slow.update_parameters(net)

    def sample(y: Array, seed: int) -> Array:
        with torch.no_grad():
            z, labels = torch.randn(len(y), K, generator=torch.Generator().manual_seed(seed)), torch.from_numpy(y)
            for i in range(20):
                a = slow(z, torch.full((len(z), 1), i / 20), labels)
                b = slow(z + a / 20, torch.full((len(z), 1), (i + 1) / 20), labels)
                z = z + (a + b) / 40
            out: Array = coder.decode(z).numpy()
        return out

    return sample


@cache
def reader() -> SVC:
    """What tells digits apart."""
    x, y, *_ = digits()
    return SVC().fit(x, y)


def read_as_asked(sample: Map) -> float:
    """The share of samples that are read as the label that was asked for."""
    y = np.repeat(np.arange(10), EACH)
    return float((reader().predict(sample(y=y, seed=3).reshape(len(y), 64)) == y).mean())


TWINS = (
    Twin(SPEC, "sample", "share of 1,000 samples that are read as the label asked for", latent_flow, read_as_asked,
         "0.983 of true digits"),
)  # fmt: skip
