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
    """The middle of what metrics give on examples drawn again, with putting back (Efron 1979), the same draws for all metrics.

    Of many examples, m are drawn of n, and the distances from the metric of all are scaled by sqrt(m / n) (Bickel et al. 1997). A
    resample for which a metric is not defined is left out. A metric without any has no interval, nor has one that is the same in all, as
    that of answers which are all right: drawing these examples again says nothing of others.
    """
    rng, size = np.random.default_rng(seed), min(count, MOST)
    values: dict[str, list[float]] = {name: [] for name in metrics}
    for _ in range(resamples):
        rows = rng.integers(0, count, size)
        for name, metric in metrics.items():
            value = metric(rows)
            values[name] += [value] if math.isfinite(value) else []
    whole, scale = np.arange(count), math.sqrt(size / count)
    return {
        name: _middle(metrics[name](whole), resampled, scale, sure)
        for name, resampled in values.items()
        if len({*resampled}) > 1
    }


def _middle(value: float, resampled: list[float], scale: float, sure: float) -> Interval:
    low, high = np.quantile(resampled, [(1 - sure) / 2, (1 + sure) / 2]).tolist()
    return value + scale * (low - value), value + scale * (high - value)
