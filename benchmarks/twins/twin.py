"""A twin: what is trained by hand, and the figure that it and the compiled file of the example are judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from mai.runtime.arrays import Array

# An export as a function: of how many samples, or of arrays.
Sampler = Callable[[int], Array]
Map = Callable[..., Array]
SEEN = 4000


@dataclass(frozen=True, slots=True)
class Twin:
    """An example's `export` by hand: `train()` gives the same function, `figure` judges either, and `says` what it is."""

    example: str
    export: str
    says: str
    train: Callable[[], Map]
    figure: Callable[[Map], float]


def sliced(x: Array, y: Array, count: int = 256) -> float:
    """The mean over directions of the squared distance of two clouds of as many points along each."""
    angle = np.linspace(0, np.pi, count, endpoint=False)
    along = np.stack([np.cos(angle), np.sin(angle)])
    return float(np.mean((np.sort(x @ along, 0) - np.sort(y @ along, 0)) ** 2))


def step(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    """A step of an optimizer."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
