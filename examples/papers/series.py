"""Waves seen at irregular times, each with a speed and a phase of its own, for latent_ode.mai: writes series.npz."""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent
COUNT, TIMES = 512, 24

rng = np.random.default_rng(0)
times = np.sort(rng.uniform(0, 1, (COUNT, TIMES)), axis=1)
turns = times * rng.uniform(1, 2, (COUNT, 1)) + rng.uniform(0, 1, (COUNT, 1))
x = np.sin(2 * np.pi * turns) + 0.05 * rng.standard_normal(times.shape)
seen = rng.uniform(size=times.shape) < 0.8
arrays = {"times": times, "x": x[..., None], "seen": seen}
np.savez_compressed(FOLDER / "series.npz", **{name: a.astype(np.float32) for name, a in arrays.items()})
