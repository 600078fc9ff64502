"""Clouds of points in the plane, drawn fresh for every step from (seed, step)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.datasets import make_moons

from mai.runtime.arrays import Array
from mai.spec import settings as st

Sampler = Callable[[np.random.Generator, int], tuple[Array, Array]]
SWISS_SCALE = 7.5


def generator(*key: int) -> np.random.Generator:
    """A stream of its own for every key."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(list(key))))


def sampler(source: st.Points) -> Sampler:
    """(generator, n) -> points [n, 2] and labels [n]."""
    match source:
        case st.Moons():
            return lambda g, n: make_moons(n, noise=source.noise, random_state=int(g.integers(2**31)))
        case st.SwissRoll():
            return lambda g, n: _swiss_roll(source, g, n)
        case st.Gaussians():
            return lambda g, n: _gaussians(source, g, n)
        case st.Checkerboard():
            return lambda g, n: _checkerboard(source, g, n)
        case st.Spirals():
            return lambda g, n: _spirals(source, g, n)
    raise AssertionError(type(source))


def _noisy(g: np.random.Generator, x: Array, noise: float) -> Array:
    return x + noise * g.standard_normal(x.shape)


def _swiss_roll(source: st.SwissRoll, g: np.random.Generator, n: int) -> tuple[Array, Array]:
    """scikit-learn's roll, seen from the side and scaled to about [-2, 2]; the label is 0."""
    t = 1.5 * np.pi * (1 + 2 * g.random(n))
    x = np.stack([t * np.cos(t), t * np.sin(t)], 1) / SWISS_SCALE
    return _noisy(g, x, source.noise), np.zeros(n, np.int64)


def _gaussians(source: st.Gaussians, g: np.random.Generator, n: int) -> tuple[Array, Array]:
    label = g.integers(source.modes, size=n)
    angle = 2 * np.pi * label / source.modes
    centre = source.radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _noisy(g, centre, source.noise), label


def _checkerboard(source: st.Checkerboard, g: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Squares of side 1 whose column and row have an even sum."""
    row, column = g.integers(4, size=n), g.integers(2, size=n)
    corner = np.stack([2 * column + row % 2, row], 1) - 2.0
    return _noisy(g, corner + g.random((n, 2)), source.noise), np.zeros(n, np.int64)


def _spirals(source: st.Spirals, g: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Arms of one and a half turns, the radius growing from 0 to 1."""
    label = g.integers(source.classes, size=n)
    radius = np.sqrt(g.random(n))
    angle = 3 * np.pi * radius + 2 * np.pi * label / source.classes
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return _noisy(g, x, source.noise), label
