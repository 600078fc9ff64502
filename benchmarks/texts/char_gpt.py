"""`char_gpt.mai` written by hand in PyTorch: how well each of them predicts the held-out text."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.measure import record, table
from mai.compiler.check import check
from mai.compiler.data.batches import Dataset, load
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options

SPEC = Path(__file__).parents[2] / "examples" / "char_gpt.mai"
STEPS, BATCH, WARMUP, RATE, DECAY, CLIP = 3000, 32, 100, 1e-3, 0.1, 1.0


class Block(nn.Module):
    """A transformer block with causal attention; the keys have no bias, as in the spec."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(d), nn.LayerNorm(d)
        self.q, self.k, self.v, self.out = (
            nn.Linear(d, d),
            nn.Linear(d, d, bias=False),
            nn.Linear(d, d),
            nn.Linear(d, d),
        )
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, P, d] to features [B, P, d]."""
        n, p, d = x.shape
        h = self.norm1(x)
        q, k, v = (f(h).view(n, p, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(n, p, d))
        result: Tensor = x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))
        return result


class CharGpt(nn.Module):
    """Tokens [B, P] to logits [B, P, vocab]."""

    def __init__(self, vocab: int = 256, context: int = 256, d: int = 192, depth: int = 6, heads: int = 6) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(vocab, d), nn.Parameter(0.02 * torch.randn(context, d))
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(depth))
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, vocab)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [B, P] to logits [B, P, vocab]."""
        h = self.token(x) + self.place[: x.shape[1]]
        for block in self.blocks:
            h = block(h)
        logits: Tensor = self.head(self.norm(h))
        return logits

    def loss(self, x: Tensor) -> Tensor:
        """The mean cross entropy of the next token, in nats. x: [B, P + 1]."""
        return F.cross_entropy(self(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())


class Run:
    """The training loop, on the examples that a `mai train` run of the same seed has."""

    def __init__(self, model: CharGpt, data: Dataset, steps: int, batch: int = BATCH, device: str = "cpu") -> None:
        self.model, self.data, self.steps, self.batch, self.device = model.to(device), data, steps, batch, device
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)

    def rate(self, step: int) -> float:
        """The learning rate of a step: linear warm-up, then a cosine to zero."""
        if step < WARMUP:
            return RATE * (step + 1) / WARMUP
        return RATE * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (self.steps - WARMUP)))

    def step(self, step: int) -> float:
        """Train one step; its loss is returned, in nats."""
        loss = self.model.loss(torch.from_numpy(self.data.batch(step, self.batch)["x"]).to(self.device))
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.param_groups[0]["lr"] = self.rate(step)
        self.optimizer.step()
        return float(loss.detach())

    @torch.no_grad()
    def held_out(self) -> float:
        """The loss of the held-out windows, in nats."""
        assert self.data.validation is not None
        rows = torch.from_numpy(self.data.validation["x"]).to(self.device)
        return sum(len(part) * float(self.model.loss(part)) for part in rows.split(64)) / len(rows)


def dataset(program: Program, seed: int = 0) -> Dataset:
    """The data of the spec, in the order of a training run with this seed."""
    assert program.training is not None
    return load(program.training.data, program.training.fields, seed, SPEC.parent)


def by_hand(program: Program, steps: int, device: str) -> float:
    """The held-out loss of the hand-written model after so many steps, in nats."""
    torch.manual_seed(0)
    run = Run(CharGpt(), dataset(program), steps, device=device)
    for step in range(steps):
        run.step(step)
    return run.held_out()


def by_mai(program: Program, steps: int, device: str) -> float:
    """The held-out loss of the spec after so many steps of `mai train`, in nats."""
    with tempfile.TemporaryDirectory() as folder:
        train(program, Path(folder), Options(steps=steps, quiet=True, device=device))
        return last_held_out(Path(folder), steps)


def last_held_out(folder: Path, steps: int) -> float:
    """The last held-out loss that a `mai train` run of so many steps wrote, in nats."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    if not lines or lines[-1]["step"] != steps:
        raise SystemExit(
            f"the run in {folder} ended after {lines[-1]['step'] if lines else 0} steps, not after {steps}"
        )
    return float(lines[-1]["held-out loss"])


def main() -> None:
    """Measure, print and record the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.texts.char_gpt", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--run", type=Path, help="a folder of `mai train --steps STEPS`; without it, mai trains now")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    program = check(SPEC).program
    assert program is not None
    ours = last_held_out(options.run, options.steps) if options.run else by_mai(program, options.steps, options.device)
    losses = {"mai": ours, "by hand in PyTorch": by_hand(program, options.steps, options.device)}
    bits = {name: loss / math.log(2) for name, loss in losses.items()}
    rows = [[name, f"{value:.3f}"] for name, value in bits.items()]
    text = table([f"char_gpt, {options.steps} steps", "held-out bits per byte"], rows)
    if options.steps == STEPS:
        where = f"{options.device} beside" if options.device != "cpu" else f"{torch.get_num_threads()} cores of"
        record("char_gpt", text, {"device": options.device, "bits per byte": bits}, where)
    else:
        print(text)


if __name__ == "__main__":
    main()
