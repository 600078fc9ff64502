"""Figures of `mai eval` and their intervals, beside scikit-learn's and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from mai.compiler.data.places import Places
from mai.compiler.evaluating.answers import Labelled, Tagged
from mai.compiler.evaluating.intervals import notes_of_overlap, resampled_intervals, share_interval
from mai.compiler.evaluating.metrics import (
    area_under_roc,
    balanced_accuracy,
    calibration_error,
    counted,
    f1_of,
    figures,
)
from mai.compiler.evaluating.tag_metrics import judge_tags


def test_intervals_hold_as_often_as_they_say() -> None:
    """Exact shares are in theirs in at least 95 % of all tests; those by resampling nearly so, on parts of many examples, too."""
    rng = np.random.default_rng(0)
    shares = [share_interval(int(rng.binomial(30, 0.8)), 30) for _ in range(300)]
    assert np.mean([low <= 0.8 <= high for low, high in shares]) >= 0.95
    covered = []
    for seed in range(100):
        values = rng.normal(1, 2, 8000)
        low, high = resampled_intervals({"m": lambda rows, v=values: v[rows].mean()}, len(values), 100, seed)["m"]
        covered.append(low <= 1 <= high)
        assert (high - low) / 2 == pytest.approx(1.96 * 2 / np.sqrt(8000), rel=0.4)
    assert np.mean(covered) > 0.85


def test_windows_that_share_rows_count_less() -> None:
    """Of 50 days 39 windows of 12 are no 39 examples: the interval of their error holds the truth nine times in ten; it did four times."""
    rng, places = np.random.default_rng(0), Places(np.arange(39), np.arange(100, 139), 12)
    covered = []
    for seed in range(24):
        squares = (2 * rng.normal(size=50)[np.arange(39)[:, None] + np.arange(12)]) ** 2
        rmse = {"rmse": lambda rows, s=squares: float(np.sqrt(s[rows].mean()))}
        low, high = resampled_intervals(rmse, 39, 60, seed, places=places)["rmse"]
        covered.append(low <= 2 <= high)
    assert np.mean(covered) > 0.7
    assert "about 3 windows" in notes_of_overlap(places)[0]
    one = Places(np.arange(9), np.arange(9), 12)
    assert resampled_intervals({"m": lambda rows: float(rows.mean())}, 9, 20, places=one) == {}
    assert notes_of_overlap(Places(np.arange(5), 12 * np.arange(5), 12)) == ()


def test_figures_of_labels() -> None:
    """By their definitions: AUC by counting pairs, calibration by Guo's bins; what one class alone does not define is left out."""
    truth, p = np.array([0, 0, 1, 1, 1]), np.array([0.1, 0.62, 0.4, 0.8, 0.9])
    answers = Labelled(truth, (p > 0.5).astype(int), ("a", "b"), np.stack([1 - p, p], 1), p)
    values = {each.name: each for each in figures(answers, 20)}
    pairs = [(p[i] > p[j]) for i in (2, 3, 4) for j in (0, 1)]
    assert values["auc"].value == pytest.approx(np.mean(pairs)) and values["accuracy"].value == 3 / 5
    assert values["f1"].value == pytest.approx(2 / 3) and values["balanced accuracy"].value == pytest.approx(
        (1 / 2 + 2 / 3) / 2
    )
    assert values["brier"].value == pytest.approx(np.mean((p - truth) ** 2))
    bins = {9: [0.9, 0.9], 6: [0.62, 0.6], 8: [0.8]}
    right = {9: [1, 1], 6: [0, 0], 8: [1]}
    expected = sum(abs(sum(bins[k]) - sum(right[k])) for k in bins) / 5
    assert calibration_error(answers) == pytest.approx(expected)
    alone = Labelled(truth[2:], answers.said[2:] if answers.said is not None else None, ("a", "b"), None, p[2:])
    assert {each.name for each in figures(alone, 5)} == {"accuracy", "balanced accuracy", "f1"}


def test_of_very_many_classes_those_that_occur_are_counted() -> None:
    truth, said = np.array([5, 70_000, 70_000, 9]), np.array([5, 70_000, 8, 9])
    answers = Labelled(truth, said, tuple(map(str, range(100_000))), None, None)
    values = {each.name: each.value for each in figures(answers, 5)}
    assert values["balanced accuracy"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert values["f1"] == pytest.approx((1 + 2 / 3 + 1) / 3)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_counts_and_ranks_are_scikit_learns_metrics(classes: int) -> None:
    """With ties among probabilities; of the classes that have examples, where one has none."""
    rng = np.random.default_rng(classes)
    truth = rng.integers(0, classes, 60)
    p = (rng.dirichlet(np.ones(classes), 60) * 8).round() + 0.125
    p /= p.sum(1, keepdims=True)
    said, there = p.argmax(1), np.arange(classes)
    matrix = counted(truth, said, classes)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(truth, said, labels=there))
    assert balanced_accuracy(matrix) == pytest.approx(metrics.balanced_accuracy_score(truth, said))
    np.testing.assert_allclose(
        f1_of(matrix), metrics.f1_score(truth, said, labels=there, average=None, zero_division=0)
    )
    if classes == 2:
        assert area_under_roc(truth[:, None] == 1, p[:, 1:]) == pytest.approx(metrics.roc_auc_score(truth, p[:, 1]))
    else:
        expected = metrics.roc_auc_score(truth, p, multi_class="ovr", average="macro")
        assert area_under_roc(truth[:, None] == there, p) == pytest.approx(expected)
    assert np.isnan(area_under_roc(np.ones((3, 1), bool), np.ones((3, 1))))


def test_figures_of_tags_are_scikit_learns() -> None:
    """With ties; of each tag, their means, and all decisions as one. A tag that is never there has no AUC, and counts in no mean of it.

    Where all resamples agree, or there are none, there is no interval.
    """
    rng = np.random.default_rng(0)
    truth = rng.random((80, 4)) < [0.3, 0.5, 0.8, 0.0]
    p = ((truth + rng.normal(0, 0.8, truth.shape)).clip(0, 1) * 6).round() / 8 + 0.1
    shown, each = judge_tags(Tagged(truth, p >= 0.5, ("a", "b", "c", "d"), p, True), 20, 0)
    said, there = p >= 0.5, truth[:, :3]
    values = {figure.name: figure.value for figure in shown}
    assert values == pytest.approx(
        {
            "exact match": metrics.accuracy_score(truth, said),
            "accuracy": np.mean(truth == said),
            "f1": metrics.f1_score(truth, said, average="macro", zero_division=0),
            "f1 micro": metrics.f1_score(truth, said, average="micro"),
            "auc": metrics.roc_auc_score(there, p[:, :3], average="macro"),
            "auc micro": metrics.roc_auc_score(truth, p, average="micro"),
            "average precision": metrics.average_precision_score(there, p[:, :3], average="macro"),
            "average precision micro": metrics.average_precision_score(truth, p, average="micro"),
            "log loss": np.mean([metrics.log_loss(truth[:, k], p[:, k], labels=[False, True]) for k in range(4)]),
            "brier": np.mean((truth - p) ** 2),
            "calibration error": values["calibration error"],
        }
    )
    for k, tag in enumerate(each[:3]):
        assert tag.average_precision == pytest.approx(metrics.average_precision_score(truth[:, k], p[:, k]))
        assert (
            tag.auc_interval is not None and tag.auc is not None and tag.auc_interval[0] < tag.auc < tag.auc_interval[1]
        )
    assert (each[3].count, each[3].auc, each[3].f1) == (0, None, 0)
    surely = Tagged(truth, truth, ("a", "b", "c", "d"), truth * 1.0, True)
    for answers, resamples in ((surely, 20), (Tagged(truth, said, surely.names, p, True), 0)):
        shown, each = judge_tags(answers, resamples, 0)
        assert {figure.name for figure in shown if figure.interval is not None} == {"exact match"}
        assert all(tag.auc_interval is None for tag in each)
