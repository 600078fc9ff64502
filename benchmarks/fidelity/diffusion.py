"""Samplers: diffusion in discrete and in continuous time, and flows made straight.

W2 is the exact 2-Wasserstein distance of as many samples as fresh points of the data (POT); the floor is that of two sets
of the data.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import ot

from benchmarks.fidelity.claim import Array, Claim, compiled, trained
from mai.compiler.data.points import Points
from mai.compiler.data.source_kinds import generator
from mai.compiler.data.sources.moons import Moons
from mai.compiler.data.sources.swiss_roll import SwissRoll
from mai.runtime.model.model import Model

COUNT = 2000
FLOORS = 5
SEED = 7
SWISS_ROLL, MOONS = SwissRoll(noise=0.1), Moons(noise=0.05)


def claims() -> list[Claim]:
    return [*denoising(), *score(), *reflow()]


def w2(a: Array, b: Array) -> float:
    """The exact 2-Wasserstein distance of two clouds of points."""
    one, other = (np.full(len(c), 1 / len(c)) for c in (a, b))
    cost = ot.dist(a.astype(np.float64), b.astype(np.float64))
    return float(np.sqrt(ot.emd2(one, other, cost, numItermax=10**7)))


@cache
def points(source: Points, seed: int = SEED) -> Array:
    made: Array = source.draw(generator(seed), COUNT)[0]
    return made


@cache
def floor(source: Points) -> float:
    """The median distance of two sets of the data."""
    return float(np.median([w2(points(source), points(source, SEED + i)) for i in range(1, FLOORS + 1)]))


def model(spec: str, export: str) -> Model:
    program, weights = trained(spec)
    return compiled(program, export, weights)


def distance(sample: Model, source: Points, **settings: Any) -> float:
    return w2(sample(batch=COUNT, seed=SEED, **settings), points(source))


def denoising() -> list[Claim]:
    """One net, two samplers; a tenth of the steps is nearly enough without noise, and not with it."""
    ddim, least = model("diffusion", "ddim"), floor(SWISS_ROLL)
    ancestral = distance(model("diffusion", "sample"), SWISS_ROLL)
    few = {eta: distance(ddim, SWISS_ROLL, steps=20, eta=eta) for eta in (0.0, 1.0)}
    source = "Song, Meng, Ermon 2021"
    return [
        _near("diffusion", "ancestral sampling, 200 steps: W2 to the data", ancestral, 3 * least, least, "Ho et al. 2020"),
        _near("diffusion", "DDIM, 20 steps: W2 to the data", few[0.0], 3 * least, least, source),
        Claim("diffusion", "20 steps without noise (eta 0) are nearer to the data than with it (eta 1): W2",
              "less", f"{few[0.0]:.3f}, {few[1.0]:.3f}", few[0.0] < few[1.0], source),
    ]  # fmt: skip


def score() -> list[Claim]:
    """The reverse equation and the flow have the same marginals; the density is that of the samples."""
    least, source = floor(SWISS_ROLL), "Song et al. 2021"
    drawn = model("score", "sample")(batch=COUNT, seed=SEED, steps=500)
    flown = model("score", "flow")(batch=COUNT, seed=SEED + 1)
    sde, ode, between = w2(drawn, points(SWISS_ROLL)), w2(flown, points(SWISS_ROLL)), w2(drawn, flown)
    return [
        _near("score", "reverse equation, 500 steps of Euler-Maruyama: W2 to the data", sde, 3 * least, least, source),
        _near("score", "probability flow, 30 steps of rk4: W2 to the data", ode, 3 * least, least, source),
        _near("score", "both have one law: W2 between them", between, 3 * least, least, source),
        mass(source),
    ]


def mass(source: str) -> Claim:
    """On a grid of [-3, 3]^2 as fine as the data's noise: a sum of bells one deviation apart is exact to eight digits."""
    side = np.linspace(-3, 3, 61)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2).astype(np.float32)
    total = float(np.exp(model("score", "log_density")(x=grid).astype(np.float64)).sum() * (side[1] - side[0]) ** 2)
    statement = "exp(log_density) integrates to 1"
    return Claim("score", statement, "1 ± 0.01", f"{total:.4f}", abs(total - 1) <= 0.01, source)


def reflow() -> list[Claim]:
    """A few of Euler's steps, first flow and second. The pairs are the first flow's own, so that its end is the best there is."""
    first, second = model("moons_flow", "sample"), model("reflow", "sample")
    program, weights = trained("moons_flow")
    euler = compiled(_with_euler(program), "sample", weights)
    before = {n: distance(euler, MOONS, steps=n) for n in (1, 2, 4)}
    after = {n: distance(second, MOONS, steps=n) for n in (1, 2)}
    best, shown = distance(first, MOONS), ", ".join(f"{n}: {v:.3f}" for n, v in before.items())
    told = ", ".join(f"{n}: {v:.3f}" for n, v in after.items())
    statement = "after reflow 1 and 2 Euler steps are nearer to the data than 1, 2 and 4 of the first flow: W2"
    found = f"{told} against {shown}; the first flow by rk4(20) {best:.3f}"
    return [
        Claim("reflow", statement, "less than half, 1 against 1 and 2 against 2; 1 below 4", found,
              all(2 * after[n] < before[n] for n in after) and after[1] < before[4], "Liu et al. 2023"),
    ]  # fmt: skip


def _near(system: str, statement: str, figure: float, needed: float, least: float, source: str) -> Claim:
    return Claim(
        system,
        statement,
        f"at most {needed:.3f}, 3 x the floor",
        f"{figure:.3f}, floor {least:.3f}",
        figure <= needed,
        source,
    )


def _with_euler(program: Any) -> Any:
    """`moons_flow` sampled by Euler's method: the same weights, another solver."""
    from benchmarks.fidelity.claim import program_of

    return program_of(program.source.text.replace("using rk4(steps)", "using euler(steps)"))
