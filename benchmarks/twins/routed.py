"""A decoder of today: alternating windows, norms of queries and keys, capped scores, experts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.twins.texts import nats_a_token, trained
from benchmarks.twins.twin import Map, Twin

SPEC, VOCAB, WIDTH = "papers/routed", 512, 64
HEADS, GROUPS, HEAD, SINKS, CAP = 4, 2, 32, 4, 50
EXPERTS, TOP, HIDDEN = 8, 2, 128
FEW = 150


def turned(x: Tensor) -> Tensor:
    """Rotary positions of [b, h, p, c] (Su et al. 2021)."""
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[-2])[:, None] * 10000 ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


class Attention(nn.Module):
    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.q, self.k, self.v = (nn.Linear(WIDTH, n * HEAD, bias=False) for n in (HEADS, GROUPS, GROUPS))
        self.of_q, self.of_k = nn.RMSNorm(HEAD, eps=1e-6), nn.RMSNorm(HEAD, eps=1e-6)
        self.out = nn.Linear(HEADS * HEAD, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (line(x).unflatten(2, (-1, HEAD)).transpose(1, 2) for line in (self.q, self.k, self.v))
        q, k, v = turned(self.of_q(q)), turned(self.of_k(k)), v
        k, v = (a.repeat_interleave(HEADS // GROUPS, 1) for a in (k, v))
        scores = CAP * torch.tanh(q @ k.mT / HEAD**0.5 / CAP)
        place = torch.arange(x.shape[1])
        far = place[:, None] - place
        seen = far >= 0
        if self.window:
            seen = seen & ((far < self.window) | (place < SINKS))
        weights = scores.masked_fill(~seen, -1e9).softmax(-1)
        out: Tensor = self.out((weights @ v).transpose(1, 2).flatten(2))
        return out


class Expert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(WIDTH, HIDDEN), nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return out


class Experts(nn.Module):
    """Two of eight a token, computed for those tokens alone."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(WIDTH, EXPERTS, bias=False)
        self.experts = nn.ModuleList(Expert() for _ in range(EXPERTS))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, 1)
        weights, which = self.router(rows).softmax(1).topk(TOP, 1)
        weights = weights / weights.sum(1, keepdim=True)
        total = torch.zeros_like(rows)
        for number, expert in enumerate(self.experts):
            row, place = (which == number).nonzero(as_tuple=True)
            total = total.index_add(0, row, weights[row, place, None] * expert(rows[row]))
        return total.view_as(x)


class Routed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.last = nn.Embedding(VOCAB, WIDTH), nn.Linear(WIDTH, VOCAB, bias=False)
        self.attention = nn.ModuleList(Attention(0 if i % 2 else 32) for i in range(4))
        self.experts = nn.ModuleList(Experts() for _ in range(4))
        self.norms = nn.ModuleList(nn.RMSNorm(WIDTH, eps=1e-6) for _ in range(9))

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        for i in range(4):
            h = h + self.attention[i](self.norms[2 * i](h))
            h = h + self.experts[i](self.norms[2 * i + 1](h))
        out: Tensor = self.last(self.norms[8](h))
        return out


class Both(torch.optim.Optimizer):
    """torch's Muon for matrices, AdamW for all else."""

    def __init__(self, net: nn.Module) -> None:
        weights = list(net.parameters())
        super().__init__(weights, {})
        self.parts = (
            torch.optim.Muon([w for w in weights if w.ndim == 2], lr=2e-2, weight_decay=0.0),
            torch.optim.AdamW([w for w in weights if w.ndim != 2], lr=3e-4, betas=(0.9, 0.95), weight_decay=0.0),
        )

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self.parts:
            part.step(closure)


def routed() -> Map:
    torch.manual_seed(0)
    return trained(Routed(), SPEC, FEW, 16, Both)


TWINS = (Twin(SPEC, "score", "nats a token of held-out text", routed, nats_a_token(SPEC), steps=FEW),)
