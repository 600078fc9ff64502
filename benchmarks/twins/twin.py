"""A twin: what is trained by hand, and the figure that it and the compiled file of a spec are judged by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.fidelity.claim import program_of
from benchmarks.runs import ROOT
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.rows import Rows
from mai.runtime.arrays import Array

# An export as a function of arrays; one without inputs takes how many there are to be, `batch`, and a `seed`.
Map = Callable[..., Array]
SEEN = 4000
SEED = 9


@dataclass(frozen=True, slots=True)
class Twin:
    """The `export` of a spec below examples/ by hand: `train()` gives the same function, `figure` judges either, and `says` what it is.

    `steps` are those of both where the spec says more, and `bound` is what is to be had: of the data, or of a paper.
    """

    spec: str
    export: str
    says: str
    train: Callable[[], Map]
    figure: Callable[[Map], float]
    bound: str = ""
    steps: int | None = None

    @property
    def key(self) -> str:
        """The name of its figures."""
        return f"{self.spec}.{self.export}"

    @property
    def path(self) -> Path:
        return ROOT / "examples" / f"{self.spec}.mai"


def data_of(spec: str) -> Dataset:
    """The examples of a spec below examples/, as mai reads them: the same batches, the same held out."""
    program = program_of(ROOT / "examples" / f"{spec}.mai")
    training = program.trainings[0]
    return load(training.data, training.fields, training.settings.seed, Path(program.source.path).parent)


def batches(data: Dataset, steps: int, size: int) -> Iterator[dict[str, Tensor]]:
    """The examples of each step, by field."""
    for turn in range(steps):
        yield {name: torch.from_numpy(rows) for name, rows in data.batch(turn, size).items()}


def held_out(data: Dataset, count: int) -> dict[str, Array]:
    """The first so many examples that are held out, by field."""
    examples: dict[str, Rows] = dict(data.validation or {})
    return {name: rows[:count] for name, rows in examples.items()}


def sliced(x: Array, y: Array, count: int = 256) -> float:
    """The mean over directions of the squared distance of two clouds of as many points along each."""
    angle = np.linspace(0, np.pi, count, endpoint=False)
    along = np.stack([np.cos(angle), np.sin(angle)])
    return float(np.mean((np.sort(x @ along, 0) - np.sort(y @ along, 0)) ** 2))


def frequencies(s: Tensor, n: int) -> Tensor:
    """The numbers [b, n] by which a time [b, 1] is seen."""
    angle = 1000 * s * torch.exp(-math.log(10000) / (n // 2) * torch.arange(n // 2))
    return torch.cat([angle.cos(), angle.sin()], 1)


def step(loss: Tensor, optimizer: torch.optim.Optimizer, clip: float | None = None) -> None:
    """A step of an optimizer; its gradient is at most `clip` long."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        weights = [w for group in optimizer.param_groups for w in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, clip)
    optimizer.step()
