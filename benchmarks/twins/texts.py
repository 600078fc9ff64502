"""Nets that continue texts and signals: recurrent, selective, dilated, and a decoder with experts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.twins.twin import Map, Twin, batches, data_of, held_out, step

VOCAB = 256


def trained(net: nn.Module, spec: str, steps: int, size: int, optimizer: Callable[[nn.Module], torch.optim.Optimizer],
            clip: float | None = None) -> Map:  # fmt: skip
    """A net of logits, trained to say the next token; then the logarithm of each token's probability."""
    moving = optimizer(net)
    for rows in batches(data_of(spec), steps, size):
        x = rows["x"]
        step(F.cross_entropy(net(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten()), moving, clip)

    def score(x: np.ndarray) -> np.ndarray:
        tokens = torch.from_numpy(x)
        with torch.no_grad():
            lost = F.cross_entropy(net(tokens[:, :-1]).mT, tokens[:, 1:], reduction="none")
        return -lost.numpy()

    return score


def nats_a_token(spec: str) -> Callable[[Map], float]:
    """What the next token of held-out examples costs, judged by `score`."""

    def figure(score: Map) -> float:
        rows = held_out(data_of(spec), 64)["x"]
        return -float(np.mean([score(x=rows[i : i + 8]).mean() for i in range(0, len(rows) // 8 * 8, 8)]))

    return figure


# --------------------------------------------------------------------------- GRU


class Gru(nn.Module):
    """A layer as Cho et al. 2014 write it: what is forgotten is forgotten before the product."""

    def __init__(self, n: int = 128) -> None:
        super().__init__()
        self.embed, self.last = nn.Embedding(VOCAB, n), nn.Linear(n, VOCAB)
        self.gates, self.new = nn.Linear(2 * n, 2 * n), nn.Linear(2 * n, n)
        self.n = n

    def forward(self, x: Tensor) -> Tensor:
        e = self.embed(x)
        h, states = e.new_zeros(len(x), self.n), []
        for t in range(x.shape[1]):
            r, z = self.gates(torch.cat([e[:, t], h], 1)).sigmoid().chunk(2, 1)
            h = h + z * (self.new(torch.cat([e[:, t], r * h], 1)).tanh() - h)
            states.append(h)
        out: Tensor = self.last(torch.stack(states, 1))
        return out


def gru_lm() -> Map:
    torch.manual_seed(0)
    return trained(Gru(), "papers/gru_lm", 2000, 32, lambda net: torch.optim.Adam(net.parameters(), lr=2e-3), 1.0)


# ------------------------------------------------------------------------- Mamba


class Selective(nn.Module):
    """h <- exp(-D exp A) h + D x B', y = h C: turn by turn (Gu and Dao 2023)."""

    def __init__(self, e: int, m: int) -> None:
        super().__init__()
        self.a, self.d = nn.Parameter(torch.empty(e, m).uniform_(-2, 1)), nn.Parameter(torch.ones(e))
        self.rate = nn.Linear(e, e)
        self.b, self.c = nn.Linear(e, m, bias=False), nn.Linear(e, m, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        rate, b, c = F.softplus(self.rate(x)), self.b(x), self.c(x)
        h, ys, decay = x.new_zeros(len(x), *self.a.shape), [], self.a.exp()
        for t in range(x.shape[1]):
            h = (-rate[:, t, :, None] * decay).exp() * h + (rate[:, t] * x[:, t])[..., None] * b[:, t, None]
            ys.append((h @ c[:, t, :, None])[..., 0])
        return torch.stack(ys, 1) + self.d * x


class Block(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.norm, self.inner = nn.RMSNorm(d, eps=1e-6), nn.Linear(d, 4 * d, bias=False)
        self.near = nn.Conv1d(2 * d, 2 * d, 4, groups=2 * d, padding=3)
        self.far, self.out = Selective(2 * d, 16), nn.Linear(2 * d, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        u, gate = self.inner(self.norm(x)).chunk(2, 2)
        near = self.near(u.mT)[..., : u.shape[1]].mT
        out: Tensor = self.out(self.far(F.silu(near)) * F.silu(gate))
        return out


class Mamba(nn.Module):
    def __init__(self, d: int = 64) -> None:
        super().__init__()
        self.embed, self.norm, self.last = nn.Embedding(VOCAB, d), nn.RMSNorm(d, eps=1e-6), nn.Linear(d, VOCAB)
        self.blocks = nn.ModuleList(Block(d) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        for block in self.blocks:
            h = h + block(h)
        out: Tensor = self.last(self.norm(h))
        return out


FEW = 60  # Steps of Mamba, whose turns take by hand their time.


def mamba() -> Map:
    torch.manual_seed(0)
    return trained(Mamba(), "papers/mamba", FEW, 16, lambda net: torch.optim.AdamW(net.parameters(), lr=2e-3), 1.0)


# ----------------------------------------------------------------------- WaveNet


class WaveNet(nn.Module):
    """Dilated causal windows of two (van den Oord et al. 2016)."""

    def __init__(self, d: int = 32) -> None:
        super().__init__()
        self.embed, self.middle, self.last = nn.Embedding(VOCAB, d), nn.Linear(d, d), nn.Linear(d, VOCAB)
        self.windows = nn.ModuleList(nn.Conv1d(d, 2 * d, 2, dilation=2**i, padding=2**i) for i in range(9))
        self.skips = nn.ModuleList(nn.Linear(d, d) for _ in range(9))
        self.ways = nn.ModuleList(nn.Linear(d, d) for _ in range(9))

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        total = torch.zeros_like(h)
        for window, skip, way in zip(self.windows, self.skips, self.ways, strict=True):
            a, b = window(h.mT)[..., : h.shape[1]].mT.chunk(2, 2)
            z = a.tanh() * b.sigmoid()
            total, h = total + skip(z), h + way(z)
        out: Tensor = self.last(F.relu(self.middle(F.relu(total))))
        return out


def wavenet() -> Map:
    torch.manual_seed(0)
    return trained(WaveNet(), "papers/wavenet", 1000, 4, lambda net: torch.optim.Adam(net.parameters(), lr=1e-3))


TWINS = (
    Twin("papers/gru_lm", "score", "nats a byte of held-out text", gru_lm, nats_a_token("papers/gru_lm")),
    Twin("papers/mamba", "score", "nats a byte of held-out text", mamba, nats_a_token("papers/mamba"), steps=FEW),
    Twin("papers/wavenet", "score", "nats a sample of held-out tones", wavenet, nats_a_token("papers/wavenet")),
)
