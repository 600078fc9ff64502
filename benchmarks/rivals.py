"""The networks of the sampler benchmark as a user writes them in PyTorch, and the eager loop that samples with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class Label(nn.Module):
    """Adds an embedding of a label, or of no label; the identity where a network has no labels."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.rows = nn.Embedding(classes, width) if classes else None

    def forward(self, h: Tensor, y: Tensor | None) -> Tensor:
        """Features [B, width] and labels [B] to features [B, width]."""
        return h if self.rows is None else h + self.rows(y)


def embedded(t: Tensor, width: int) -> Tensor:
    """Sines and cosines of a batch of times [B] at `width / 2` frequencies, as [B, width]."""
    half = width // 2
    angle = 1000 * t[:, None] * torch.exp(-math.log(10000) / half * torch.arange(half))
    return torch.cat([angle.cos(), angle.sin()], -1).to(t.dtype)


class Mlp(nn.Module):
    """A residual network on points of the plane."""

    def __init__(self, width: int = 256, classes: int = 0) -> None:
        super().__init__()
        self.label = Label(width, classes)
        self.first, self.last = nn.Linear(66, width), nn.Linear(width, 2)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The velocity [B, 2] at points [B, 2] and times [B]."""
        h = F.silu(self.label(self.first(torch.cat([x, embedded(t, 64)], -1)), y))
        for block in self.blocks:
            h = h + F.silu(block(h))
        result: Tensor = self.last(h)
        return result


class DitBlock(nn.Module):
    """A transformer block whose norms are scaled and shifted by the condition (Peebles and Xie 2023)."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(d, elementwise_affine=False)
        self.qkv, self.out, self.up, self.down = (
            nn.Linear(d, 3 * d),
            nn.Linear(d, d),
            nn.Linear(d, 4 * d),
            nn.Linear(4 * d, d),
        )
        self.modulation = nn.Linear(d, 6 * d)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Tokens [B, P, d] under a condition [B, d] to tokens [B, P, d]."""
        n, p, d = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(F.silu(c)).chunk(6, -1)
        h = self.norm(x) * (1 + scale1[:, None]) + shift1[:, None]
        q, k, v = self.qkv(h).view(n, p, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        a = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, p, d)
        x = x + gate1[:, None] * self.out(a)
        h = self.norm(x) * (1 + scale2[:, None]) + shift2[:, None]
        result: Tensor = x + gate2[:, None] * self.down(F.gelu(self.up(h), approximate="tanh"))
        return result


class Dit(nn.Module):
    """A diffusion transformer on images [B, 1, 8, 8], in patches of a x b pixels."""

    def __init__(self, d: int = 256, depth: int = 6, classes: int = 0, a: int = 2, b: int = 2) -> None:
        super().__init__()
        self.a, self.b, self.label = a, b, Label(d, classes)
        self.enter, self.place = nn.Linear(a * b, d), nn.Parameter(torch.randn(1, 64 // (a * b), d) * 0.02)
        self.time1, self.time2 = nn.Linear(256, d), nn.Linear(d, d)
        self.blocks = nn.ModuleList(DitBlock(d, 4) for _ in range(depth))
        self.norm, self.modulation, self.leave = (
            nn.LayerNorm(d, elementwise_affine=False),
            nn.Linear(d, 2 * d),
            nn.Linear(d, a * b),
        )

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The velocity [B, 1, 8, 8] at images [B, 1, 8, 8] and times [B]."""
        n, a, b = len(x), self.a, self.b
        patches = x.view(n, 1, 8 // a, a, 8 // b, b).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, a * b)
        c = self.label(self.time2(F.silu(self.time1(embedded(t, 256)))), y)
        h = self.enter(patches) + self.place
        for block in self.blocks:
            h = block(h, c)
        shift, scale = self.modulation(F.silu(c)).chunk(2, -1)
        out = self.leave(self.norm(h) * (1 + scale[:, None]) + shift[:, None])
        return out.view(n, 8 // a, 8 // b, 1, a, b).permute(0, 3, 1, 4, 2, 5).reshape(n, 1, 8, 8)


class Block(nn.Module):
    """A residual block of two convolutions, between which the embedded time is added."""

    def __init__(self, k: int, m: int, out: int) -> None:
        super().__init__()
        self.norm1, self.conv1, self.time = nn.GroupNorm(8, k), nn.Conv2d(k, out, 3, padding=1), nn.Linear(m, out)
        self.norm2, self.conv2, self.skip = (
            nn.GroupNorm(8, out),
            nn.Conv2d(out, out, 3, padding=1),
            nn.Conv2d(k, out, 1),
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Images [B, k, H, W] and embedded times [B, m] to images [B, out, H, W]."""
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(t))[:, :, None, None]
        result: Tensor = self.conv2(F.silu(self.norm2(h))) + self.skip(x)
        return result


class UNet(nn.Module):
    """A U-Net on images [B, 3, H, W], with two levels."""

    def __init__(self, c: int = 64, m: int = 256, classes: int = 0) -> None:
        super().__init__()
        conv, self.label = nn.Conv2d, Label(m, classes)
        self.time1, self.time2, self.enter = nn.Linear(64, m), nn.Linear(m, m), conv(3, c, 3, padding=1)
        self.a, self.b, self.mid = Block(c, m, c), Block(c, m, 2 * c), Block(2 * c, m, 2 * c)
        self.u2, self.u1 = Block(4 * c, m, 2 * c), Block(3 * c, m, c)
        self.down1, self.down2 = conv(c, c, 3, 2, 1), conv(2 * c, 2 * c, 3, 2, 1)
        self.up2, self.up1 = conv(2 * c, 2 * c, 3, padding=1), conv(2 * c, 2 * c, 3, padding=1)
        self.norm, self.leave = nn.GroupNorm(8, c), conv(c, 3, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The velocity [B, 3, H, W] at images [B, 3, H, W] and times [B]."""
        e = self.label(self.time2(F.silu(self.time1(embedded(t, 64)))), y)
        a = self.a(self.enter(x), e)
        b = self.b(self.down1(a), e)
        h = self.mid(self.down2(b), e)
        h = self.u2(torch.cat([self.up2(F.interpolate(h, scale_factor=2.0)), b], 1), e)
        h = self.u1(torch.cat([self.up1(F.interpolate(h, scale_factor=2.0)), a], 1), e)
        result: Tensor = self.leave(F.silu(self.norm(h)))
        return result


def euler(velocity: Callable[[Any, float], Any], x: Any, steps: int) -> Any:
    """Euler's method from time 0 to 1, on tensors and on numpy arrays alike."""
    for i in range(steps):
        x = x + velocity(x, i / steps) / steps
    return x


def rk4(velocity: Callable[[Any, float], Any], x: Any, steps: int) -> Any:
    """The classical method of Runge and Kutta from time 0 to 1, on tensors and on numpy arrays alike."""
    h = 1 / steps
    for i in range(steps):
        s = i * h
        k1 = velocity(x, s)
        k2 = velocity(x + h / 2 * k1, s + h / 2)
        k3 = velocity(x + h / 2 * k2, s + h / 2)
        k4 = velocity(x + h * k3, s + h)
        x = x + h / 6 * (k1 + 2 * (k2 + k3) + k4)
    return x


NETWORKS: dict[str, Callable[..., nn.Module]] = {"mlp": Mlp, "dit": Dit, "unet": UNet}
SOLVERS = {"euler": euler, "rk4": rk4}
STAGES = {"euler": 1, "rk4": 4}
