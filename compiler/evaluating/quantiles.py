"""Metrics of quantiles: their loss, how often what is right lies below them, and how wide the intervals between them are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mai.compiler.evaluating.answers import Quantiles
from mai.compiler.evaluating.intervals import Metric
from mai.runtime.arrays import Array


def quantile_metrics(answers: Quantiles) -> dict[str, tuple[Metric, str]]:
    """By name, each with what it is in words. Numbers of one example hang together, so intervals are of examples drawn again."""
    loss = losses(answers).mean(1)
    metrics: dict[str, tuple[Metric, str]] = {
        "quantile loss": (_mean(loss), "mean over the levels of how far they are off, the nearer side weighed")
    }
    metrics |= {
        f"below {level:g}": (
            _mean(below),
            f"share of what is right that lies below the quantile {level:g}: {level:g} is right",
        )
        for level, below in zip(answers.levels, shares_below(answers), strict=True)
    }
    for low, high in central(answers):
        inside = ((answers.truth >= answers.said[:, low]) & (answers.truth <= answers.said[:, high])).mean(1)
        share = answers.levels[high] - answers.levels[low]
        metrics[f"coverage {share:.0%}"] = (
            _mean(inside),
            f"share of what is right between the quantiles {answers.levels[low]:g} and {answers.levels[high]:g}",
        )
        metrics[f"width {share:.0%}"] = (
            _mean((answers.said[:, high] - answers.said[:, low]).mean(1)),
            "mean distance between these",
        )
    if 0.5 in answers.levels:
        middle = answers.said[:, answers.levels.index(0.5)]
        metrics["mae"] = _mean(np.abs(middle - answers.truth).mean(1)), "mean distance of the median from what is right"
    crossed = (np.diff(answers.said, axis=1) < 0).any(1).mean(1)
    if crossed.any():
        metrics["crossed"] = _mean(crossed), "share of what is right for which a higher quantile lies below a lower one"
    return metrics


def _mean(values: Array) -> Metric:
    return lambda rows: float(values[rows].mean())


def losses(answers: Quantiles) -> Array:
    """The quantile loss (Koenker and Bassett 1978) by example and level, [n, levels], a mean over numbers."""
    above = answers.truth[:, None] - answers.said
    q = np.array(answers.levels)[:, None]
    values: Array = np.maximum(q * above, (q - 1) * above).mean(2)
    return values


def shares_below(answers: Quantiles) -> Iterator[Array]:
    """For each level, how often what is right lies below it, by example."""
    yield from (answers.truth <= answers.said.swapaxes(0, 1)).mean(2)


def central(answers: Quantiles) -> Iterator[tuple[int, int]]:
    """Pairs of levels with as much below the lower one as above the higher, the widest first."""
    levels = answers.levels
    for place, low in enumerate(levels):
        other = next((k for k, high in enumerate(levels) if abs(low + high - 1) < 1e-6 and low < 0.5), None)
        if other is not None:
            yield place, other
