"""The metrics of tags: of each for itself, their means over tags (macro), and those of all decisions as one (micro)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np

from mai.compiler.data.places import Places
from mai.compiler.evaluating.answers import Tagged
from mai.compiler.evaluating.intervals import MOST, Interval, is_overlapping, resampled, share_interval
from mai.compiler.evaluating.metrics import Bin, Figure, areas_under_roc, average_precisions, bins_of, error_of_bins
from mai.runtime.arrays import Array
from mai.spec.record import record

NUMBERS = 200_000  # Of one resample, of all tags.
LEAST = 200  # Examples of one resample.
NAMES = ("f1", "auc", "average precision")
Defined = dict[
    str | tuple[str, int], tuple[float, Interval | None]
]  # Metrics by name, and those of tag k by `(name, k)`.


@record
class OfTag:
    """One tag: of how many examples it is there, and its metrics with their intervals; None for what is not defined."""

    name: str
    count: int
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    f1: float | None = None
    f1_interval: Interval | None = None
    auc: float | None = None
    auc_interval: Interval | None = None
    average_precision: float | None = None
    average_precision_interval: Interval | None = None


WORDS = {
    "f1": "F1, the mean over tags: the harmonic mean of precision and recall",
    "f1 micro": "F1 of all decisions as one",
    "auc": "area under the ROC curve, the mean over tags",
    "auc micro": "area under the ROC curve of all decisions as one",
    "average precision": "area under precision by recall, the mean over tags",
    "average precision micro": "area under precision by recall of all decisions as one",
    "log loss": "minus the mean log probability of what is right, of all decisions",
    "brier": "squared error of the probabilities, the mean of all decisions",
}


def judge_tags(
    answers: Tagged, resamples: int, seed: int, places: Places | None = None
) -> tuple[list[Figure], list[OfTag]]:
    """All metrics that the answers allow, over all tags and of each."""
    metrics, count = _Metrics(answers), len(answers.truth)
    whole = metrics.all_of(np.arange(count))
    most = min(MOST, max(LEAST, NUMBERS // len(answers.names)))
    low, high = resampled(metrics.all_of, count, resamples, seed, most=most, places=places)
    values = dict(zip(metrics.names, zip(whole.tolist(), low.tolist(), high.tolist(), strict=True), strict=True))
    defined = {name: (value, _interval(a, b)) for name, (value, a, b) in values.items() if math.isfinite(value)}
    shown = [*_shares(answers, resamples, seed, places)]
    shown += [Figure(name, *defined[name], words) for name, words in WORDS.items() if name in defined]
    if answers.are_probabilities:
        words = "how far probabilities are from how often a tag is there, over ten bins"
        shown.append(Figure("calibration error", error_of_bins(tag_calibration(answers)), None, words))
    return shown, [_of_tag(answers, k, defined, is_overlapping(places)) for k in range(len(answers.names))]


def _interval(low: float, high: float) -> Interval | None:
    """An interval by resampling; None where there is none, or all resamples agree."""
    return (low, high) if low < high else None


def _shares(answers: Tagged, resamples: int, seed: int, places: Places | None) -> list[Figure]:
    """The shares of examples, and of decisions, that are right; the former with an exact interval where no examples share rows."""
    if answers.said is None:
        return []
    right, count = answers.said == answers.truth, len(answers.truth)
    _, counts = np.unique(answers.truth, axis=0, return_counts=True)
    hits = int(right.all(1).sum())
    most = answers.truth.mean(0)
    words = f"examples of which every tag is right; always the most frequent tags have {counts.max() / count:.3g}"
    shares = np.stack([right.all(1), right.mean(1)], 1)
    low, high = resampled(lambda rows: shares[rows].mean(0), count, resamples, seed, places=places)
    intervals = [_interval(*ends) for ends in zip(low.tolist(), high.tolist(), strict=True)]
    exact = intervals[0] if is_overlapping(places) else share_interval(hits, count)
    always = f"right decisions, of all; always the more frequent has {np.maximum(most, 1 - most).mean():.3g}"
    return [
        Figure("exact match", hits / count, exact, words),
        Figure("accuracy", float(right.mean()), intervals[1], always),
    ]


class _Metrics:
    """The metrics of tags as one row of numbers, whose `names` are those of `WORDS`, and of tag k `(name, k)`."""

    def __init__(self, answers: Tagged) -> None:
        self.truth, self.said, self.scores = answers.truth, answers.said, answers.scores
        self.of_tags: dict[str, Callable[[Array, Array, Array], Array]] = {}
        if self.said is not None:
            self.of_tags["f1"] = lambda truth, said, scores: f1_of_tags(truth, said)
        if self.scores is not None:
            self.of_tags["auc"] = lambda truth, said, scores: areas_under_roc(truth, scores)
            self.of_tags["average precision"] = lambda truth, said, scores: average_precisions(truth, scores)
        self.losses: dict[str, Array] = {}
        if answers.scores is not None and answers.are_probabilities:
            p = np.where(answers.truth, answers.scores, 1 - answers.scores)
            self.losses = {
                "log loss": -np.log(np.clip(p, np.finfo(np.float32).tiny, 1)).mean(1),
                "brier": ((1 - p) ** 2).mean(1),
            }
        of_each = [(name, k) for name in self.of_tags for k in range(len(answers.names))]
        means = [name for metric in self.of_tags for name in (metric, f"{metric} micro")]
        self.names: list[str | tuple[str, int]] = [*of_each, *means, *self.losses]

    def all_of(self, rows: Array) -> Array:
        """Those of some examples."""
        truth = self.truth[rows]
        said = truth if self.said is None else self.said[rows]
        scores = truth if self.scores is None else self.scores[rows]
        each = [metric(truth, said, scores) for metric in self.of_tags.values()]
        one = [metric(*(a.reshape(-1, 1) for a in (truth, said, scores)))[0] for metric in self.of_tags.values()]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # A mean of nothing, where no tag has both examples and others.
            means = [number for values, micro in zip(each, one, strict=True) for number in (np.nanmean(values), micro)]
        return np.concatenate([*each, means, [loss[rows].mean() for loss in self.losses.values()]])


def f1_of_tags(truth: Array, said: Array) -> Array:
    """The harmonic mean of precision and recall of each tag, [tags]; 0 of one that is neither there nor said. Both are bool [n, tags]."""
    scores: Array = 2 * (truth & said).sum(0) / np.maximum(truth.sum(0) + said.sum(0), 1)
    return scores


def _of_tag(answers: Tagged, k: int, defined: Defined, share_rows: bool) -> OfTag:
    count = len(answers.truth)
    hits = None if answers.said is None else int((answers.said[:, k] == answers.truth[:, k]).sum())
    interval = None if hits is None or share_rows else share_interval(hits, count)
    f1, auc, precision = (_pair(defined, name, k) for name in NAMES)
    accuracy = None if hits is None else hits / count
    return OfTag(answers.names[k], int(answers.truth[:, k].sum()), accuracy, interval, *f1, *auc, *precision)


def _pair(defined: Defined, name: str, k: int) -> tuple[float | None, Interval | None]:
    return defined.get((name, k), (None, None))


def tag_calibration(answers: Tagged) -> list[Bin]:
    """Probabilities beside how often what has them is there, of all decisions."""
    assert answers.scores is not None
    return bins_of(np.clip(answers.scores.reshape(-1), 0, 1), answers.truth.reshape(-1))


def said_together(answers: Tagged) -> Array:
    """Of the examples in which a tag is there (row), the share that is said to have each (column); of a tag without any 0."""
    assert answers.said is not None
    counts = answers.truth.astype(np.float64).T @ answers.said
    shares: Array = counts / np.maximum(1, answers.truth.sum(0))[:, None]
    return shares
