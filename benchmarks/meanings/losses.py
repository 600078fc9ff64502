"""The training side of a random program: its loss in torch, and how that changes with each input, beside its meaning."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch

from benchmarks.meanings.programs import EXAMPLES, Outcome, Program, between, examples, meanings
from mai.compiler.interface.spec import Spec
from mai.runtime.arrays import Array

STEPS = 1e-4, 3e-4  # Of the differences that stand for a derivative; where the two differ, it is not known.


def differentiated(program: Program, seed: int) -> Outcome:
    """The loss and its derivative along one way for each input, by torch. Raises `MaiError` where the program is refused."""
    reals, labels = examples(program, seed)
    dice = np.random.default_rng(seed + 1)
    weights = np.broadcast_to(np.round(dice.normal(size=program.shape), 2), (EXAMPLES, *program.shape))
    ways = {name: dice.normal(size=x.shape) for name, x in reals.items()}

    def loss(name: str | None, by: float) -> float:
        own = {n: x.astype(float) + by * ways[n] * (n == name) for n, x in reals.items()}
        result = meanings(program, {**own, **labels})
        return float((weights * result).sum() / EXAMPLES)

    def slopes(step: float) -> list[float]:
        return [(loss(name, step) - loss(name, -step)) / (2 * step) for name in reals]

    own, slope = _of_torch(program, reals, {**labels, "weights": weights.astype(np.float32)}, ways)
    expected, coarse = (np.array([loss(None, 0), *slopes(step)]) for step in STEPS)
    outcomes = [between(*numbers) for numbers in zip(np.array([own, *slope]), coarse, expected, strict=True)]
    return max(outcomes, key=lambda outcome: (outcome.word == "WRONG", outcome.error))


def _of_torch(
    program: Program, reals: dict[str, Array], others: dict[str, Array], ways: dict[str, Array]
) -> tuple[float, list[float]]:
    """The loss, and its derivative along the way of each input."""
    moved = {name: torch.tensor(x, requires_grad=True) for name, x in reals.items()}
    inputs: dict[str, Any] = {**moved, **{name: torch.tensor(x) for name, x in others.items()}}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        loss = Spec(program.loss, "program").torch().loss(**inputs)
        slopes = torch.autograd.grad(loss, list(moved.values()), allow_unused=True) if loss.requires_grad else []
    pairs = zip(slopes, ways.values(), strict=True) if slopes else []
    along = [0.0 if slope is None else float((slope.double().numpy() * way).sum()) for slope, way in pairs]
    return loss.item(), along or [0.0 for _ in ways]
