"""How sure a metric is, for so many examples: exact for a share, by resampling for any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from mai.runtime.arrays import Array

RESAMPLES = 200
MOST = 4000  # Examples of one resample: of more, fewer are drawn, and what they differ by is scaled.
SURE = 0.95

Interval = tuple[float, float]
Metric = Callable[[Array], float]  # Of the examples with these numbers.


def share_interval(hits: int, count: int, sure: float = SURE) -> Interval:
    """The exact interval of a share (Clopper and Pearson 1934): the shares that do not make `hits` of `count` unlikely."""
    from scipy.stats import beta

    low = float(beta.ppf((1 - sure) / 2, hits, count - hits + 1)) if hits else 0.0
    high = float(beta.ppf((1 + sure) / 2, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


def resampled_intervals(
    metrics: Mapping[str, Metric], count: int, resamples: int = RESAMPLES, seed: int = 0, sure: float = SURE
) -> dict[str, Interval]:
    """The intervals of metrics by name; one that is defined for no resample has none.

    Nor has one that is the same in all, as that of answers which are all right: to draw these examples again says nothing of others.
    """

    def all_of(rows: Array) -> Array:
        return np.array([metric(rows) for metric in metrics.values()], float)

    low, high = resampled(all_of, count, resamples, seed, sure)
    ends = dict(zip(metrics, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    return {name: (a, b) for name, (a, b) in ends.items() if math.isfinite(a) and a < b}


def resampled(
    metrics: Callable[[Array], Array], count: int, resamples: int = RESAMPLES, seed: int = 0, sure: float = SURE,
    most: int = MOST,
) -> tuple[Array, Array]:  # fmt: skip
    """The middle of what metrics give on examples drawn again, with putting back (Efron 1979): the low ends, and the high ones.

    Of many examples, m are drawn of n, at `most` so many, and the distances from the metric of all are scaled by sqrt(m / n) (Bickel et al.
    1997). A resample for which a metric is not defined is left out; a metric without any has NaN.
    """
    rng, size = np.random.default_rng(seed), min(count, most)
    whole = metrics(np.arange(count))
    values = np.stack([whole * np.nan, *(metrics(rng.integers(0, count, size)) for _ in range(resamples))])
    values = np.where(np.isfinite(values), values, np.nan)
    ends = np.full((2, *whole.shape), np.nan)
    some = np.isfinite(values).any(0)
    if some.any():
        middle = np.nanquantile(values[:, some], [(1 - sure) / 2, (1 + sure) / 2], axis=0)
        ends[:, some] = whole[some] + math.sqrt(size / count) * (middle - whole[some])
    return ends[0], ends[1]
