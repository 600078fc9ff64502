"""Functions drawn from a Gaussian process with length 0.3, height 1.5 and noise 0.1, for gaussian_process.mai: writes functions.npz."""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (512, 32, 1))
kernel = 1.5**2 * np.exp(-0.5 * ((x - x.swapaxes(1, 2)) / 0.3) ** 2) + 0.1**2 * np.eye(32)
y = (np.linalg.cholesky(kernel) @ rng.standard_normal((512, 32, 1)))[..., 0]
np.savez_compressed(FOLDER / "functions.npz", x=x.astype(np.float32), y=y.astype(np.float32))
