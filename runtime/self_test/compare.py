"""How far a result is from what a self-test keeps of it."""

from __future__ import annotations

import math

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.self_test.draw import random_bits
from mai.runtime.self_test.record import Expected, Name, Number

DIGITS = 6
NAMES: dict[float, Name] = {math.inf: "inf", -math.inf: "-inf"}
PLACES_STREAM, SIGNS_STREAM = 0xFFFFFFFE, 0xFFFFFFFF  # No input has them.


def abridge(array: Array, count: int, sure: Array | None = None) -> Expected:
    """What is kept of a result of any shape: at most `count` of its elements, of those that `sure` marks, and its projection."""
    flat = array.reshape(-1)
    places = np.arange(flat.size) if sure is None else np.flatnonzero(sure)
    if places.size > count:
        order = np.argsort(random_bits(flat.size, PLACES_STREAM)[places], kind="stable")
        places = np.sort(places[order[:count]])
    whole, scale = places.size == flat.size, _rounded(_scale(flat))
    return Expected(
        dims=list(array.shape),
        places=None if whole else places.tolist(),
        values=[_written(v) for v in flat[places].tolist()],
        scale=scale,
        blank=int((~np.isfinite(flat)).sum()),
        projection=None if whole or sure is not None else round(_projection(flat, scale), DIGITS + 1),
    )


def difference(array: Array, expected: Expected) -> float:
    """How far a result of any shape is from what is kept of it; infinite where its shape or its finite elements are others.

    Of reals, the largest difference relative to the largest magnitude; of anything else, the share of the kept elements that
    are others.
    """
    if list(array.shape) != expected.dims:
        return math.inf
    flat = array.reshape(-1)
    kept = flat if expected.places is None else flat[expected.places]
    wanted = np.array([float(v) for v in expected.values])
    if flat.dtype.kind != "f":
        return _share(flat, kept, wanted, expected)
    finite = np.isfinite(wanted)
    same = np.array_equal(kept[~finite].astype(np.float64), wanted[~finite], equal_nan=True)
    if not same or not np.isfinite(kept[finite]).all() or int((~np.isfinite(flat)).sum()) != expected.blank:
        return math.inf
    scale = max(expected.scale or 1.0, 1e-6)
    apart = float(np.abs(kept[finite].astype(np.float64) - wanted[finite]).max(initial=0.0)) / scale
    return max(apart, _projected_apart(flat, expected))


def _share(flat: Array, kept: Array, wanted: Array, expected: Expected) -> float:
    """The share of the kept whole numbers that are others; where the others alone are, it is that of one number."""
    others = float((kept.astype(np.float64) != wanted).mean()) if wanted.size else 0.0
    unlike = _projected_apart(flat, expected) > 10.0**-DIGITS * max(1.0, abs(expected.projection or 0.0))
    return others or float(unlike) / max(flat.size, 1)


def _projected_apart(flat: Array, expected: Expected) -> float:
    if expected.projection is None:
        return 0.0
    return abs(_projection(flat, expected.scale) - expected.projection)


def _projection(flat: Array, scale: float) -> float:
    """The sum of the finite elements [n] with random signs, by the scale and the square root of n."""
    signs = 1.0 - 2.0 * (random_bits(flat.size, SIGNS_STREAM) & np.uint32(1))
    finite = np.isfinite(flat)
    total = float((flat[finite].astype(np.float64) * signs[finite]).sum())
    return total / (max(scale or 1.0, 1e-6) * math.sqrt(max(flat.size, 1)))


def _scale(flat: Array) -> float:
    """The largest magnitude of finite reals; 0 for whole numbers, which are compared as they are."""
    if flat.dtype.kind != "f":
        return 0.0
    return float(np.abs(flat[np.isfinite(flat)].astype(np.float64)).max(initial=0.0))


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _written(value: Number) -> Number | Name:
    if not isinstance(value, float):
        return value
    return "nan" if math.isnan(value) else NAMES.get(value, _rounded(value))
