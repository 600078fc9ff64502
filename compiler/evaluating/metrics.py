"""The metrics of answers: what each is called, what it says, and how sure it is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from mai.compiler.data.places import Places
from mai.compiler.evaluating.answers import Labelled, Measured, Quantiles
from mai.compiler.evaluating.intervals import (
    RESAMPLES,
    Metric,
    is_overlapping,
    resampled_intervals,
    share_interval,
)
from mai.compiler.evaluating.quantiles import quantile_metrics
from mai.runtime.arrays import Array
from mai.spec.record import record

LARGE = 1e4  # Numbers from here on are shown whole.


@record
class Figure:
    """A metric: its value, the interval that it is in with 95 % (None where none is known), and in words what it is."""

    name: str
    value: float
    interval: tuple[float, float] | None
    words: str

    def in_words(self) -> tuple[str, ...]:
        """The cells of a table's row."""
        interval = "" if self.interval is None else " to ".join(map(number_in_words, self.interval))
        return self.name, number_in_words(self.value), interval, self.words


def number_in_words(value: float) -> str:
    """A number in four digits; a large one whole, so that it can be found in a table."""
    return f"{value:,.0f}" if LARGE <= abs(value) < 1e12 else f"{value:.4g}"


def figures(
    answers: Labelled | Measured | Quantiles, resamples: int = RESAMPLES, seed: int = 0, places: Places | None = None
) -> list[Figure]:
    """All metrics that the answers allow; `places` say which examples share rows."""
    with _quick():
        match answers:
            case Labelled():
                return _of_labels(answers, resamples, seed, places)
            case Measured():
                return _of_numbers(answers, resamples, seed, places)
            case Quantiles():
                return [*with_intervals(quantile_metrics(answers), len(answers.truth), resamples, seed, places)]


@contextmanager
def _quick() -> Iterator[None]:
    """scikit-learn's functions without its checks of their arguments, and without its warnings of labels that a resample lacks."""
    import sklearn

    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def with_intervals(
    metrics: Mapping[str, tuple[Metric, str]], count: int, resamples: int, seed: int, places: Places | None = None
) -> Iterator[Figure]:
    """Metrics of `count` examples, each with what it is in words, and with an interval by resampling; those that are not defined are left out."""
    values = {name: metric(np.arange(count)) for name, (metric, _) in metrics.items()}
    defined = {name: metric for name, (metric, _) in metrics.items() if math.isfinite(values[name])}
    intervals = resampled_intervals(defined, count, resamples, seed, places=places)
    yield from (Figure(name, values[name], intervals.get(name), metrics[name][1]) for name in defined)


# ------------------------------------------------------------------ labels


def _of_labels(answers: Labelled, resamples: int, seed: int, places: Places | None) -> list[Figure]:
    count, metrics = len(answers.truth), dict[str, tuple[Metric, str]]()
    shown = list[Figure]()
    if answers.said is not None:
        hits = int((answers.said == answers.truth).sum())
        often = np.bincount(answers.truth, minlength=len(answers.names))
        words = f"right answers; always `{answers.names[int(often.argmax())]}` has {often.max() / count:.3g}"
        if is_overlapping(places):
            right = answers.said == answers.truth
            metrics["accuracy"] = lambda rows: float(right[rows].mean()), words
        else:
            shown.append(Figure("accuracy", hits / count, share_interval(hits, count), words))
        metrics |= _of_answers(answers.truth, answers.said, answers.names)
    metrics |= _of_probabilities(answers)
    shown += with_intervals(metrics, count, resamples, seed, places)
    if answers.probabilities is not None:
        words = "how far the largest probability is from how often it is right, over ten bins"
        shown.append(Figure("calibration error", calibration_error(answers), None, words))
    return shown


def _of_answers(truth: Array, said: Array, names: tuple[str, ...]) -> dict[str, tuple[Metric, str]]:
    """What labels alone allow."""
    if len(names) == 2:
        count, judged = 2, np.array([1])
        f1_words = f"F1 of `{names[1]}`: the harmonic mean of precision and recall"
    else:
        truth, said, count = _numbered_anew(truth, said)
        judged = np.unique(truth)
        f1_words = "F1, the mean over classes"
    return {
        "balanced accuracy": (
            lambda rows: balanced_accuracy(counted(truth[rows], said[rows], count)),
            "the mean over classes of their right answers",
        ),
        "f1": (lambda rows: float(f1_of(counted(truth[rows], said[rows], count))[judged].mean()), f1_words),
    }


def _numbered_anew(truth: Array, said: Array) -> tuple[Array, Array, int]:
    """Labels and answers, numbered by those that occur, and how many these are: of very many classes few do."""
    there, numbers = np.unique(np.stack([truth, said]), return_inverse=True)
    new_truth, new_said = numbers.reshape(2, -1)
    return new_truth, new_said, len(there)


def counted(truth: Array, said: Array, classes: int) -> Array:
    """How many examples of each class (row) are said to be of each (column)."""
    matrix: Array = np.bincount(truth * classes + said, minlength=classes * classes).reshape(classes, classes)
    return matrix


def balanced_accuracy(matrix: Array) -> float:
    """The mean of the recalls of those classes that have examples."""
    there = matrix.sum(1) > 0
    return float((matrix.diagonal()[there] / matrix.sum(1)[there]).mean())


def f1_of(matrix: Array) -> Array:
    """The harmonic mean of precision and recall of each class; 0 of one that is neither there nor said."""
    scores: Array = 2 * matrix.diagonal() / np.maximum(matrix.sum(0) + matrix.sum(1), 1)
    return scores


def area_under_roc(positive: Array, scores: Array) -> float:
    """The mean over columns of `areas_under_roc`."""
    return float(areas_under_roc(positive, scores).mean())


def areas_under_roc(positive: Array, scores: Array) -> Array:
    """Of two examples, how often the positive one has the higher score, ties counting half: [k].

    By the ranks of Mann and Whitney 1947. Not a number where a column has no positive example, or no other.

    Args:
        positive: bool [n, k].
        scores: [n, k].
    """
    from scipy.stats import rankdata

    count = positive.sum(0)
    pairs = count * (len(positive) - count)
    ranks = np.where(positive, rankdata(scores, axis=0), 0.0).sum(0)
    areas: Array = np.where(pairs > 0, (ranks - count * (count + 1) / 2) / np.maximum(pairs, 1), np.nan)
    return areas


def average_precisions(positive: Array, scores: Array) -> Array:
    """Of each positive example, the share of positive ones among those with its score or a higher one, in the mean: [k].

    That is the area under precision by recall, in steps. Not a number where a column has no positive example, or no other. Arguments as `areas_under_roc`.
    """
    from scipy.stats import rankdata

    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(positive, order, 0).cumsum(0)
    above = rankdata(-scores, "max", axis=0).astype(np.int64)
    precision = np.take_along_axis(hits, above - 1, 0) / above
    count = positive.sum(0)
    means: Array = np.where(
        (count > 0) & (count < len(positive)), (precision * positive).sum(0) / np.maximum(count, 1), np.nan
    )
    return means


def _of_probabilities(answers: Labelled) -> dict[str, tuple[Metric, str]]:
    """What scores and probabilities allow."""
    truth, p, classes = answers.truth, answers.probabilities, np.arange(len(answers.names))
    metrics: dict[str, tuple[Metric, str]] = {}
    score = answers.score
    if score is not None:
        words = f"of two examples, how often the one of `{answers.names[1]}` has the higher score"
        metrics["auc"] = lambda rows: area_under_roc(truth[rows, None] == 1, score[rows, None]), words
        words = f"area under precision by recall of `{answers.names[1]}`"
        metrics["average precision"] = (
            lambda rows: float(average_precisions(truth[rows, None] == 1, score[rows, None])[0]),
            words,
        )
    elif p is not None:
        words = "area under the ROC curve, the mean over classes, each against all others"
        there = np.unique(truth)
        each = (p / p.sum(1, keepdims=True))[:, there]
        metrics["auc"] = lambda rows: area_under_roc(truth[rows, None] == there, each[rows]), words
    if p is not None:
        log_p = np.log(np.clip(p[np.arange(len(truth)), truth], np.finfo(np.float32).tiny, 1))
        squares = ((p - np.eye(len(classes))[truth]) ** 2).sum(1) / (2 if len(classes) == 2 else 1)
        metrics["log loss"] = lambda rows: float(-log_p[rows].mean()), "minus the mean log probability of what is right"
        metrics["brier"] = lambda rows: float(squares[rows].mean()), "squared error of the probabilities"
    return metrics


def _number(metric: Callable[[Array], object]) -> Metric:
    """A metric that is not a number where it is not defined: for examples of one class, say."""

    def value(rows: Array) -> float:
        try:
            return float(metric(rows))  # type: ignore[arg-type]
        except ValueError:
            return math.nan

    return value


@record
class Bin:
    """Examples whose probability is alike: its mean, how often it was right, its interval, and how many there are."""

    said: float
    right: float
    interval: tuple[float, float]
    count: int


def calibration(answers: Labelled, of_said: bool = False, bins: int = 10) -> list[Bin]:
    """Probabilities beside how often they are right: of the second of two labels, or of the likeliest of more, as of two where `of_said`.

    The bins of [0, 1] are equally wide; those without examples are left out.
    """
    return bins_of(*_claimed(answers, of_said), bins)


def bins_of(p: Array, right: Array, bins: int = 10) -> list[Bin]:
    """Probabilities, [n], beside how often what has them is so."""
    number = np.minimum((p * bins).astype(np.int64), bins - 1)
    filled_bins = []
    for each in np.unique(number):
        rows = number == each
        count, hits = int(rows.sum()), int(right[rows].sum())
        filled_bins.append(Bin(float(p[rows].mean()), hits / count, share_interval(hits, count), count))
    return filled_bins


def calibration_error(answers: Labelled) -> float:
    """The mean distance of a bin's probability from how often it is right, weighted by examples (Guo et al. 2017)."""
    return error_of_bins(calibration(answers, of_said=True))


def error_of_bins(bins: list[Bin]) -> float:
    """The mean distance of a bin's probability from how often it is so, weighted by examples."""
    return sum(each.count * abs(each.said - each.right) for each in bins) / sum(each.count for each in bins)


def _claimed(answers: Labelled, of_said: bool) -> tuple[Array, Array]:
    """The probability that is claimed for each example, and whether that came true."""
    p = answers.probabilities
    assert p is not None
    if p.shape[1] == 2 and not of_said:
        return np.clip(p[:, 1], 0, 1), answers.truth == 1
    return np.clip(p.max(1), 0, 1), p.argmax(1) == answers.truth


@record
class OfClass:
    """One class: how many examples it has, and its precision and recall, the latter with its interval."""

    name: str
    count: int
    precision: float
    recall: float
    interval: tuple[float, float]


def confusion(answers: Labelled) -> Array:
    """How many examples of each class (row) are said to be of each (column)."""
    assert answers.said is not None
    return counted(answers.truth, answers.said, len(answers.names))


def of_classes(answers: Labelled) -> list[OfClass]:
    """Every class that has an example, or is said of one."""
    matrix = confusion(answers)
    said, there, hits = matrix.sum(0), matrix.sum(1), matrix.diagonal()
    return [
        OfClass(
            name, int(there[k]), hits[k] / max(1, said[k]), hits[k] / max(1, there[k]),
            share_interval(int(hits[k]), max(1, int(there[k]))),
        )
        for k, name in enumerate(answers.names) if there[k] or said[k]
    ]  # fmt: skip


# ------------------------------------------------------------------ numbers


def _of_numbers(answers: Measured, resamples: int, seed: int, places: Places | None) -> list[Figure]:
    from sklearn import metrics as sk

    truth, error = answers.truth, answers.said - answers.truth
    rows_of = answers.truth, answers.said
    spread = float(np.sqrt(((truth - truth.mean(0)) ** 2).mean()))
    metrics: dict[str, tuple[Metric, str]] = {
        "rmse": (
            lambda rows: float(np.sqrt((error[rows] ** 2).mean())), f"root of the mean squared error; always the mean has {number_in_words(spread)}"
        ),
        "mae": (lambda rows: float(np.abs(error[rows]).mean()), "mean distance from what is right"),
        "median error": (lambda rows: float(np.median(np.abs(error[rows]))), "half of the answers are nearer than this"),
        "bias": (lambda rows: float(error[rows].mean()), "mean of answer minus truth"),
    }  # fmt: skip
    if len(truth) > 1 and spread > 0:
        r2 = _number(lambda rows: sk.r2_score(*(each[rows] for each in rows_of), force_finite=False))
        metrics["r2"] = r2, "share of the variance that the answers explain"
    return [*with_intervals(metrics, len(truth), resamples, seed, places)]


QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def residuals(answers: Measured) -> dict[str, float]:
    """Quantiles of answer minus truth, over all numbers."""
    return dict(zip(map(str, QUANTILES), np.quantile(answers.said - answers.truth, QUANTILES).tolist(), strict=True))
