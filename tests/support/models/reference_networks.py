"""ResNet-18 and DiT as their libraries build them: the same names in their state dicts, the same mathematics.

`ResNet18` is torchvision's `resnet18` (He et al. 2016), `DiT` diffusers' `DiTTransformer2DModel` (Peebles and Xie 2023).
"""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

# ----------------------------------------------------------------------- ResNet


class BasicBlock(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return functional.relu(h + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self, width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for place, stride in enumerate((1, 2, 2, 2)):
            out = width * 2**place
            stage = nn.Sequential(BasicBlock(channels, out, stride), BasicBlock(out, out, 1))
            self.add_module(f"layer{place + 1}", stage)
            channels = out
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for place in range(1, 5):
            h = self.get_submodule(f"layer{place}")(h)
        return self.fc(h.mean((2, 3)))


# -------------------------------------------------------------------------- DiT


class TimestepEmbedding(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(256, d)
        self.linear_2 = nn.Linear(d, d)

    def forward(self, t: Tensor) -> Tensor:
        exponent = -math.log(10000) * torch.arange(128) / (128 - 1)  # downscale_freq_shift = 1
        angle = t[:, None].float() * exponent.exp()[None]
        waves = torch.cat([angle.cos(), angle.sin()], -1)  # flip_sin_to_cos
        return self.linear_2(functional.silu(self.linear_1(waves)))


class LabelEmbedding(nn.Module):
    def __init__(self, classes: int, d: int) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, d)

    def forward(self, y: Tensor) -> Tensor:
        return self.embedding_table(y)


class CombinedTimestepLabelEmbeddings(nn.Module):
    def __init__(self, classes: int, d: int) -> None:
        super().__init__()
        self.timestep_embedder = TimestepEmbedding(d)
        self.class_embedder = LabelEmbedding(classes, d)

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        return self.timestep_embedder(t) + self.class_embedder(y)


class AdaLayerNormZero(nn.Module):
    def __init__(self, classes: int, d: int) -> None:
        super().__init__()
        self.emb = CombinedTimestepLabelEmbeddings(classes, d)
        self.linear = nn.Linear(d, 6 * d)
        self.norm = nn.LayerNorm(d, elementwise_affine=False, eps=1e-6)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        shift, scale, *rest = self.linear(functional.silu(self.emb(t, y))).chunk(6, 1)
        return self.norm(x) * (1 + scale[:, None]) + shift[:, None], *rest


class Attention(nn.Module):
    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.to_out = nn.ModuleList([nn.Linear(d, d), nn.Dropout(0.0)])

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.to_q, self.to_k, self.to_v))
        return self.to_out[0](functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Projected(nn.Module):
    """diffusers' `GELU`: a product, then the activation's tanh form."""

    def __init__(self, d: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Linear(d, out)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([Projected(d, 4 * d), nn.Dropout(0.0), nn.Linear(4 * d, d)])

    def forward(self, x: Tensor) -> Tensor:
        for module in self.net:
            x = module(x)
        return x


class BasicTransformerBlock(nn.Module):
    def __init__(self, classes: int, d: int, heads: int) -> None:
        super().__init__()
        self.norm1 = AdaLayerNormZero(classes, d)
        self.attn1 = Attention(d, heads)
        self.norm3 = nn.LayerNorm(d, elementwise_affine=False, eps=1e-5)
        self.ff = FeedForward(d)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        h, gate, shift, scale, gate_mlp = self.norm1(x, t, y)
        x = x + gate[:, None] * self.attn1(h)
        h = self.norm3(x) * (1 + scale[:, None]) + shift[:, None]
        return x + gate_mlp[:, None] * self.ff(h)


class DiT(nn.Module):
    def __init__(
        self, size: int, channels: int, out: int, patch: int, heads: int, d: int, depth: int, classes: int
    ) -> None:
        super().__init__()
        self.side, self.patch, self.out, self.d = size // patch, patch, out, d
        self.pos_embed = nn.Sequential(OrderedDict(proj=nn.Conv2d(channels, d, patch, patch)))
        blocks = [BasicTransformerBlock(classes, d, heads) for _ in range(depth)]
        self.transformer_blocks = nn.ModuleList(blocks)
        self.norm_out = nn.LayerNorm(d, elementwise_affine=False, eps=1e-6)
        self.proj_out_1 = nn.Linear(d, 2 * d)
        self.proj_out_2 = nn.Linear(d, patch * patch * out)

    def places(self) -> Tensor:
        """Sines and cosines of the column, then of the row: numpy's meshgrid puts the columns first."""
        omega = 10000 ** -(torch.arange(self.d // 4, dtype=torch.float64) / (self.d / 4))
        row, column = torch.meshgrid(torch.arange(self.side), torch.arange(self.side), indexing="ij")
        angles = [g.flatten()[:, None] * omega for g in (column, row)]
        return torch.cat([f(a) for a in angles for f in (torch.sin, torch.cos)], -1).float()

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        h = self.pos_embed(x).flatten(2).transpose(1, 2) + self.places()
        for block in self.transformer_blocks:
            h = block(h, t, y)
        condition = self.transformer_blocks[0].norm1.emb(t, y)
        shift, scale = self.proj_out_1(functional.silu(condition)).chunk(2, 1)
        h = self.proj_out_2(self.norm_out(h) * (1 + scale[:, None]) + shift[:, None])
        h = h.reshape(-1, self.side, self.side, self.patch, self.patch, self.out)
        return torch.einsum("nhwpqc->nchpwq", h).reshape(-1, self.out, *[self.side * self.patch] * 2)
