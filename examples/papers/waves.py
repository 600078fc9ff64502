"""Tones of three partials with some noise, in 256 levels (mu-law), for wavenet.mai: writes waves.npz."""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent
COUNT, SAMPLES, MU = 256, 1024, 255

rng = np.random.default_rng(0)
turns = np.arange(SAMPLES) / rng.uniform(20, 60, (COUNT, 1))
phases, heights = rng.uniform(0, 1, (3, COUNT, 1)), rng.uniform(0.3, 1, (3, COUNT, 1)) / np.arange(1, 4)[:, None, None]
tones = sum(heights[k] * np.sin(2 * np.pi * ((k + 1) * turns + phases[k])) for k in range(3))
signal = np.clip(0.5 * tones + 0.01 * rng.standard_normal(tones.shape), -1, 1)
level = np.sign(signal) * np.log1p(MU * np.abs(signal)) / np.log1p(MU)
np.savez_compressed(FOLDER / "waves.npz", x=np.round((level + 1) / 2 * MU).astype(np.int64))
