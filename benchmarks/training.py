"""Training speed: mai's training loop against the same model and loop written by hand in PyTorch."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.rivals import Block
from mai.compiler.check import check
from mai.compiler.training.options import Options
from mai.compiler.training.trainer import Trainer

EXAMPLES = Path(__file__).parents[1] / "examples"
Step = Callable[[], None]


def digits(image: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The digits as images [1797, 1, 8, 8] or as rows [1797, 64], scaled to -1..1, and their labels [1797]."""
    pixels, labels = load_digits(return_X_y=True)
    x = torch.tensor(pixels / 8 - 1, dtype=torch.float32)
    return (x.reshape(-1, 1, 8, 8) if image else x), torch.tensor(labels)


def mlp() -> Step:
    """A training step of `mlp.mai` by hand."""
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x, y = digits(image=False)

    def step() -> None:
        chosen = torch.randint(len(x), (128,))
        loss = F.cross_entropy(model(x[chosen]), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def cnn() -> Step:
    """A training step of `cnn.mai` by hand."""
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.1), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    x, y = digits(image=True)

    def step() -> None:
        chosen = torch.randint(len(x), (64,))
        loss = F.cross_entropy(model(x[chosen]), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


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


def main(rounds: int = 7) -> None:
    """Measure, print and record the table."""
    torch.set_num_threads(1)
    rows, figures = [], {}
    for name, (make, steps) in RIVALS.items():
        program = check(EXAMPLES / f"{name}.mai").program
        assert program is not None and program.training is not None
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(program, program.training, Path(folder), Options(quiet=True, device="cpu"))
        by_hand, count = make(), iter(range(10**9))

        def ours(trainer: Trainer = trainer, steps: int = steps, count: object = count) -> None:
            for _ in range(steps):
                trainer.step(next(count), False)  # type: ignore[call-overload]

        def theirs(by_hand: Step = by_hand, steps: int = steps) -> None:
            for _ in range(steps):
                by_hand()

        times = interleaved({"mai": ours, "by hand": theirs}, rounds)
        middle, how = medians(times), ratio(times, "by hand", "mai")
        rows.append([name, *(f"{1e3 * middle[v] / steps:.2f} ms" for v in ("mai", "by hand")), f"{how:.2f} ×"])
        figures[name] = {"mai": middle["mai"] / steps, "by hand": middle["by hand"] / steps, "ratio": how}
    record("training", table(["one training step", "mai", "by hand in PyTorch", "speed"], rows), figures)


if __name__ == "__main__":
    main()
