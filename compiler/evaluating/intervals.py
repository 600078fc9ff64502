"""How sure a metric is, for so many examples: exact for a share, by resampling for any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from mai.compiler.data.places import Places
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
    metrics: Mapping[str, Metric], count: int, resamples: int = RESAMPLES, seed: int = 0, sure: float = SURE,
    places: Places | None = None,
) -> dict[str, Interval]:  # fmt: skip
    """The intervals of metrics by name; a metric that is defined for no resample, or the same for all of them, has none."""

    def all_of(rows: Array) -> Array:
        return np.array([metric(rows) for metric in metrics.values()], float)

    low, high = resampled(all_of, count, resamples, seed, sure, places=places)
    ends = dict(zip(metrics, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    return {name: (a, b) for name, (a, b) in ends.items() if math.isfinite(a) and a < b}


def resampled(
    metrics: Callable[[Array], Array], count: int, resamples: int = RESAMPLES, seed: int = 0, sure: float = SURE,
    most: int = MOST, places: Places | None = None,
) -> tuple[Array, Array]:  # fmt: skip
    """The middle of what metrics give on examples drawn again, with putting back (Efron 1979): the low ends, and the high ones.

    Of many examples, m are drawn of n, at `most` so many, and the distances from the metric of all are scaled by sqrt(m / n) (Bickel et al.
    1997). A resample for which a metric is not defined is left out; a metric without any has NaN. Examples that share rows, as their
    `places` say, are drawn in `Blocks`.
    """
    rng, size = np.random.default_rng(seed), min(count, most)
    blocks = blocks_of(places)
    whole = metrics(np.arange(count))
    values = np.stack(
        [
            whole * np.nan,
            *(
                metrics(rng.integers(0, count, size) if blocks is None else blocks.draw(rng, size))
                for _ in range(resamples)
            ),
        ]
    )
    values = np.where(np.isfinite(values), values, np.nan)
    ends = np.full((2, *whole.shape), np.nan)
    some = np.isfinite(values).any(0)
    if some.any():
        middle = np.nanquantile(values[:, some], [(1 - sure) / 2, (1 + sure) / 2], axis=0)
        wider = 1.0 if blocks is None else blocks.wider(sure)
        ends[:, some] = whole[some] + wider * math.sqrt(size / count) * (middle - whole[some])
    return ends[0], ends[1]


# ------------------------------------------------------------------ examples that share rows


def is_overlapping(places: Places | None) -> bool:
    """Whether some examples share rows with others, as windows of a series do that begin nearer to each other than they are long."""
    return blocks_of(places) is not None


def blocks_of(places: Places | None) -> Blocks | None:
    """How examples are drawn that share rows; None where none do."""
    blocks = None if places is None else Blocks(places)
    return blocks if blocks is not None and blocks.length > 1 else None


class Blocks:
    """Examples that share rows, drawn as blocks of neighbours: alone they would count as if each said something of its own.

    Blocks are as long as a chain of windows that all share a row, and go round within a stretch of windows that follow each other (the
    circular block bootstrap of Politis and Romano 1992).
    """

    def __init__(self, places: Places) -> None:
        steps = np.diff(np.arange(len(places.rows)) if places.begins is None else places.begins)
        are_apart = np.concatenate([[True], (steps >= places.span) | (steps <= 0)])
        begins = np.flatnonzero(are_apart)
        sizes = np.diff([*begins, len(places.rows)])
        stretch = np.cumsum(are_apart) - 1
        near = steps[~are_apart[1:]]
        self.begin, self.size = begins[stretch], sizes[stretch]
        self.length = min(math.ceil(places.span / near.min()), int(sizes.max())) if len(near) else 1
        self.apart = float(np.maximum(1, sizes / self.length).sum())

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """The numbers of so many examples."""
        starts = rng.integers(0, len(self.begin), -(-size // self.length))[:, None]
        begin = self.begin[starts]
        rows: Array = begin + (starts - begin + np.arange(self.length)) % self.size[starts]
        return rows.reshape(-1)[:size]

    def wider(self, sure: float) -> float:
        """What the distances from the metric of all are to be multiplied with; NaN where all examples share rows, so that nothing is known.

        Few blocks differ less than they would: Student's t takes the place of the normal distribution. And means over m neighbours, drawn
        in blocks of m, have a variance that is too small by the share (m^2 - 1) / (3 m^2): two of them hang together by 1 - k / m at the
        distance k, which blocks leave out beyond their ends.
        """
        from scipy.stats import norm, t

        if self.apart < 2:
            return math.nan
        student = float(t.ppf((1 + sure) / 2, self.apart - 1) / norm.ppf((1 + sure) / 2))
        lost = (self.length**2 - 1) / (3 * self.length**2)
        return student * math.sqrt(self.apart / (self.apart - 1) / (1 - lost))


def notes_of_overlap(places: Places | None) -> tuple[str, ...]:
    """What is said of examples that share rows."""
    blocks = blocks_of(places)
    if places is None or blocks is None:
        return ()
    apart = blocks.apart
    what = f"so the intervals are as wide as those of about {apart:,.0f} windows that share none"
    if apart < 2:
        what = "so one cannot tell how sure the figures are"
    return (
        f"windows begin nearer to each other than the {places.span} rows that they are judged by: they share rows, {what}",
    )
