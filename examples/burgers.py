"""Burgers' equation on a circle, u_t + u u_x = 0.01 u_xx up to time 0.5, from random waves, for fourier_operator.mai.

It writes burgers.npz, and waves.npy, four further waves.
Frequencies by an integrating factor and Runge and Kutta's method of order 4, without those that fold back.
"""

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent
COUNT, POINTS, EVERY = 512, 256, 4
TIME, STEP, VISCOSITY = 0.5, 5e-4, 0.01


def waves(rng: np.random.Generator, count: int) -> np.ndarray:
    """Sums of five waves, the slow ones the largest: [count, POINTS]."""
    k = np.arange(1, 6)
    a, b = rng.standard_normal((2, count, 5)) / k
    angle = 2 * np.pi * np.outer(k, np.arange(POINTS) / POINTS)
    return 0.5 * (a @ np.cos(angle) + b @ np.sin(angle))


def solved(u: np.ndarray) -> np.ndarray:
    """What waves become."""
    k = 2j * np.pi * np.fft.rfftfreq(POINTS, 1 / POINTS)
    half = np.exp(VISCOSITY * k**2 * STEP / 2)
    kept = np.arange(POINTS // 2 + 1) < POINTS // 3

    def change(v: np.ndarray) -> np.ndarray:
        return STEP * -0.5 * k * np.fft.rfft(np.fft.irfft(v * kept, POINTS) ** 2) * kept

    v = np.fft.rfft(u)
    for _ in range(round(TIME / STEP)):
        a = change(v)
        b = change(half * (v + a / 2))
        c = change(half * v + b / 2)
        d = change(half**2 * v + half * c)
        v = half**2 * v + (half**2 * a + 2 * half * (b + c) + d) / 6
    return np.fft.irfft(v, POINTS)


begin = waves(np.random.default_rng(0), COUNT)
end = solved(begin)
a, u = (w[:, ::EVERY, None].astype(np.float32) for w in (begin, end))
np.savez_compressed(FOLDER / "burgers.npz", a=a, u=u)
np.save(FOLDER / "waves.npy", waves(np.random.default_rng(1), 4)[:, ::EVERY, None].astype(np.float32))
