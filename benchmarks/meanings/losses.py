"""The training side of a random program: its loss in torch, and how that changes with each input, beside its meaning."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch

from benchmarks.meanings.derivatives import order
from benchmarks.meanings.programs import EXAMPLES, ROUNDINGS, Outcome, Program, between, examples, meanings
from mai.compiler.interface.spec import Spec
from mai.runtime.arrays import Array

STEPS = 1e-4, 3e-4  # Of the differences that stand for a derivative; where the two differ, it is not known.


def differentiated(program: Program, seed: int) -> Outcome:
    """The loss and its derivative along one way for each input, by torch. Raises `MaiError` where the program is refused."""
    if order(program.text) > 1:
        return Outcome(np.inf, np.inf)  # Differences of differences of differences have no digits left.
    reals, labels = examples(program, seed)
    dice = np.random.default_rng(seed + 1)
    weights = np.broadcast_to(np.round(dice.normal(size=program.shape), 2), (EXAMPLES, *program.shape))
    ways = {name: dice.normal(size=x.shape) for name, x in reals.items()}

    def loss(moves: dict[str, float]) -> float:
        own = {n: x.astype(float) + moves.get(n, 0.0) * ways[n] for n, x in reals.items()}
        result = meanings(program, {**own, **labels})
        return float((weights * result).sum() / EXAMPLES)

    def slopes(step: float) -> list[float]:
        return [(loss({name: step}) - loss({name: -step})) / (2 * step) for name in reals]

    own, slope = _of_torch(program, reals, {**labels, "weights": weights.astype(np.float32)}, ways)
    near = dict.fromkeys(reals, ROUNDINGS)
    expected, moved = ([loss(by), *slopes(step)] for by, step in zip(({}, near), STEPS, strict=True))
    outcomes = [between(*map(np.asarray, triple)) for triple in zip([own, *slope], moved, expected, strict=True)]
    return max(outcomes, key=lambda outcome: (outcome.word == "WRONG", outcome.error))


def _of_torch(
    program: Program, reals: dict[str, Array], others: dict[str, Array], ways: dict[str, Any]
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
