"""Likelihood: a density that moves along a flow (11), beside a mixture."""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture

from benchmarks.fidelity.claim import Array, Claim, compiled, trained
from mai.compiler.data.source_kinds import generator
from mai.compiler.data.sources.checkerboard import Checkerboard

COMPONENTS = 10
TRAINING, HELD_OUT = 18_000, 10_000


def claims() -> list[Claim]:
    return [mixture()]


def mixture() -> Claim:
    """Nats a point that neither has seen, against a mixture of 10 Gaussians, the best of ten beginnings."""
    program, weights = trained("normalizing_flow")
    points = _board(1, HELD_OUT)
    flow = float(compiled(program, "density", weights)(x=points.astype(np.float32)).mean())
    rival = GaussianMixture(COMPONENTS, n_init=10, random_state=0).fit(_board(0, TRAINING)).score(points)
    entropy = -np.log(8)
    measured = f"{flow:.3f} against {rival:.3f}; the data's own {entropy:.3f}"
    statement = f"log density of new checkerboard points, against a mixture of {COMPONENTS} Gaussians"
    return Claim("normalizing_flow", statement, "more", measured, flow > rival, "(11)")


def _board(seed: int, count: int) -> Array:
    points: Array = Checkerboard().draw(generator(seed, 99), count)["x"]
    return points
