"""Loops of training to time: mai's, and those of classifiers by hand in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from mai.compiler.check import check
from mai.compiler.training.options import Options
from mai.compiler.training.trainer import Trainer

Pair = tuple[Tensor, Tensor]
Run = Callable[[], None]


def trainer_of(spec: Path, folder: Path) -> Trainer:
    """What trains a spec of one train block, on the processor, in a run's folder."""
    program = check(spec).program
    assert program is not None and program.training is not None
    return Trainer(program, program.training, folder, Options(quiet=True, device="cpu"))


def repeated(step: Callable[[], Any], steps: int) -> Run:
    """So many steps."""

    def run() -> None:
        for _ in range(steps):
            step()

    return run


def classifying(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[Pair]) -> Callable[[], Tensor]:
    """A step by hand on the next batch of examples and their classes; it gives the loss."""

    def step() -> Tensor:
        x, y = next(batches)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step
