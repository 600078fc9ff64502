"""Transport: distances of what is generated to the data, and what the optimal coupling does for flow matching.

The exact 2-Wasserstein distance W2 is POT's, of 2,000 samples of a compiled file to 2,000 points that nothing has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import ot

from benchmarks.fidelity.claim import EXAMPLES, Array, Claim, compiled, program_of, trained
from mai.compiler.data.batches import load as load_data

COUNT = 2000
SEEDS = range(5)
STEPS = 4
TONG = "Tong et al. 2023, arXiv:2302.00482, Table 2"
NEAR = 0.25  # 5 standard deviations of a mode's noise


@cache
def fresh(spec: str, seed: int) -> Array:
    """Points of a spec's data source that no run has drawn, [COUNT, 2]."""
    program = program_of(spec)
    assert program.training is not None
    fields = load_data(program.training.data, program.training.fields, 1000 + seed, EXAMPLES).batch(0, COUNT)
    return np.asarray(fields["x"], np.float64).reshape(-1, 2)[:COUNT]


def w2(x: Array, y: Array) -> float:
    return float(
        np.sqrt(ot.emd2([], [], ot.dist(np.asarray(x, np.float64), np.asarray(y, np.float64)), numItermax=10**7))
    )


def claims() -> Iterator[Claim]:
    yield distance()
    yield modes()
    yield from coupling()


def distance() -> Claim:
    program, weights = trained("transport")
    samples = compiled(program, "sample", weights)(batch=COUNT, seed=1)
    data, floor = fresh("transport", 1), w2(fresh("transport", 1), fresh("transport", 2))
    distance = w2(samples, data)
    return Claim(
        "transport", "W2 to the data against that of two data sets", "at most 3 x", f"{distance:.3f}, {distance / floor:.2f} x",
        distance <= 3 * floor, "(9), Genevay, Peyré and Cuturi 2018",
    )  # fmt: skip


def modes() -> Claim:
    """A mode has its share if a quarter of an eighth of the samples, or more, are near it."""
    program, weights = trained("gan")
    samples = compiled(program, "sample", weights)(batch=COUNT, seed=1)
    angles = 2 * np.pi * np.arange(8) / 8
    apart = ot.dist(samples, 2 * np.stack([np.cos(angles), np.sin(angles)], 1), metric="euclidean")
    near = apart.min(1) < NEAR
    shares = np.bincount(apart.argmin(1)[near], minlength=8) / COUNT
    said = f"shares {shares.min():.1%} to {shares.max():.1%}, {near.mean():.0%} near a mode"
    return Claim("gan", "all 8 modes are covered", "at least 3.1 % near each", said, bool(shares.min() > 1 / 32), "(9)")


def coupling() -> Iterator[Claim]:
    """Normalised path energy is |E - W2^2| / W2^2, for the energy E of the paths and W2 from the noise to the data."""
    data = fresh("ot_flow", 1)
    least = w2(np.random.default_rng(1).standard_normal((COUNT, 2)), data) ** 2
    distances: dict[str, list[float]] = {}
    energies: dict[str, list[float]] = {}
    for coupled in ("1", "0"):
        for seed in SEEDS:
            program, weights = trained("ot_flow", seed=seed, sets={"coupled": coupled})
            samples = compiled(program, "sample", weights)(batch=COUNT, seed=seed, steps=STEPS)
            energy = compiled(program, "energy", weights)(batch=COUNT, seed=seed)
            distances.setdefault(coupled, []).append(w2(samples, data))
            energies.setdefault(coupled, []).append(abs(float(np.mean(energy)) - least) / least)
    yield _ordered(f"W2 at {STEPS} Euler steps", distances)
    yield _ordered("normalised path energy", energies)


def _ordered(what: str, distances: dict[str, list[float]]) -> Claim:
    means, spreads = ({k: float(f(v)) for k, v in distances.items()} for f in (np.mean, np.std))
    said = " against ".join(f"{means[k]:.3f} ± {spreads[k]:.3f}" for k in ("1", "0"))
    needed = "less in the mean than with independent pairs"
    return Claim("ot_flow", f"{what}, 5 seeds", needed, said, means["1"] < means["0"], TONG)
