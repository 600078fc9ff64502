"""Training speed: mai's training loop against the same model and loop written by hand in PyTorch."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.loops import Pair, classifying, repeated, trainer_of
from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.rivals import Block

EXAMPLES = Path(__file__).parents[1] / "examples"
Step = Callable[[], object]


def digits(image: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The digits as images [1797, 1, 8, 8] or as rows [1797, 64], scaled to -1..1, and their labels [1797]."""
    pixels, labels = load_digits(return_X_y=True)
    x = torch.tensor(pixels / 8 - 1, dtype=torch.float32)
    return (x.reshape(-1, 1, 8, 8) if image else x), torch.tensor(labels)


def drawn(x: torch.Tensor, y: torch.Tensor, batch: int) -> Iterator[Pair]:
    """Batches of rows that are drawn anew for each."""
    while True:
        chosen = torch.randint(len(x), (batch,))
        yield x[chosen], y[chosen]


def mlp() -> Step:
    """A training step of `mlp.mai` by hand."""
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    return classifying(model, optimizer, drawn(*digits(image=False), 128))


def cnn() -> Step:
    """A training step of `cnn.mai` by hand."""
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.1), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    return classifying(model, optimizer, drawn(*digits(image=True), 64))


class UNet(nn.Module):
    """The network of `digits_unet.mai` by hand."""

    def __init__(self, c: int = 64) -> None:
        super().__init__()
        m = 4 * c
        self.time1, self.time2, self.label = nn.Linear(128, m), nn.Linear(m, m), nn.Embedding(11, m)
        self.enter, self.b8, self.down = nn.Conv2d(1, c, 3, padding=1), Block(c, m, c), nn.Conv2d(c, 2 * c, 3, 2, 1)
        self.b4, self.mid, self.u4, self.u8 = (
            Block(2 * c, m, 2 * c),
            Block(2 * c, m, 2 * c),
            Block(4 * c, m, 2 * c),
            Block(3 * c, m, c),
        )
        self.norm, self.q, self.k, self.v, self.o = nn.GroupNorm(8, 2 * c), *(nn.Linear(2 * c, 2 * c) for _ in range(4))
        self.last, self.leave = nn.GroupNorm(8, c), nn.Conv2d(c, 1, 3, padding=1)

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Self-attention over the pixels of images [B, k, H, W], with a residual connection."""
        n, k, height, width = x.shape
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        q, key, v = (f(tokens).view(n, -1, 4, k // 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(q, key, v).transpose(1, 2).reshape(n, -1, k)
        return x + self.o(attended).transpose(1, 2).reshape(n, k, height, width)

    def forward(self, x: torch.Tensor, s: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The velocity [B, 1, 8, 8] at images [B, 1, 8, 8], times [B] and labels [B]."""
        rate = torch.exp(-math.log(10000) / 64 * torch.arange(64))
        angle = 1000 * s[:, None] * rate
        t = self.time2(F.silu(self.time1(torch.cat([angle.cos(), angle.sin()], -1)))) + self.label(y)
        h8 = self.b8(self.enter(x), t)
        h4 = self.b4(self.down(h8), t)
        u4 = self.u4(torch.cat([self.attend(self.mid(h4, t)), h4], 1), t)
        u8 = self.u8(torch.cat([F.interpolate(u4, scale_factor=2.0), h8], 1), t)
        return self.leave(F.silu(self.last(u8)))


def digits_unet() -> Step:
    """A training step of `digits_unet.mai` by hand, with its moving average."""
    model = UNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    average = [p.detach().clone() for p in model.parameters()]
    x, y = digits(image=True)

    def step() -> None:
        chosen = torch.randint(len(x), (128,))
        x1, label = x[chosen], y[chosen]
        x0, s = torch.randn_like(x1), torch.rand(len(x1))
        label = torch.where(torch.rand(len(x1)) < 0.9, label, 10)
        xs = (1 - s[:, None, None, None]) * x0 + s[:, None, None, None] * x1
        loss = (x1 - x0 - model(xs, s, label)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in model.parameters()], 0.001)

    return step


RIVALS: dict[str, tuple[Callable[[], Step], int]] = {
    "mlp": (mlp, 200),
    "cnn": (cnn, 40),
    "digits_unet": (digits_unet, 3),
}


def compare(name: str, make: Callable[[], Step], steps: int, rounds: int) -> dict[str, float]:
    """Seconds of one step of mai's loop and of the one by hand, and how many times as fast mai's is."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(EXAMPLES / f"{name}.mai", Path(folder))
    places = count()
    loops = {"mai": repeated(lambda: trainer.step(next(places), False), steps), "by hand": repeated(make(), steps)}
    times = interleaved(loops, rounds)
    each = {loop: seconds / steps for loop, seconds in medians(times).items()}
    return each | {"ratio": ratio(times, "by hand", "mai")}


def main(rounds: int = 7) -> None:
    """Measure, print and record the table."""
    torch.set_num_threads(1)
    figures = {name: compare(name, make, steps, rounds) for name, (make, steps) in RIVALS.items()}
    rows = [
        [name, *(f"{1e3 * each[loop]:.2f} ms" for loop in ("mai", "by hand")), f"{each['ratio']:.2f} ×"]
        for name, each in figures.items()
    ]
    record("training", table(["one training step", "mai", "by hand in PyTorch", "speed"], rows), figures)


if __name__ == "__main__":
    main()
