"""An evaluation as a picture: confusions and calibration of labels; answers, residuals and their histogram of numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.compiler.evaluating.answers import Labelled, Measured, Quantiles, Tagged
from mai.compiler.evaluating.metrics import confusion
from mai.compiler.evaluating.pictures.panels import draw_calibration, draw_matrix
from mai.compiler.evaluating.pictures.tag_picture import draw_tags
from mai.compiler.evaluating.quantiles import central, shares_below
from mai.compiler.evaluating.report import Evaluation
from mai.runtime.arrays import Array
from mai.runtime.show.canvas import ACCENT, INK, QUIET, TEAL, Pyplot, hide_spines, plotting, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DOTS, MOST_BANDS = 5000, 200
ROUNDED = 1e-6


def draw_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Draw it into a .png, .svg or .pdf. Raises `ModelError` where matplotlib is not installed."""
    with plotting() as plt:
        answers = evaluation.answers
        match answers:
            case Labelled():
                figure = _of_labels(plt, evaluation, answers)
            case Measured():
                figure = _of_numbers(plt, answers, evaluation.target)
            case Quantiles():
                figure = _of_quantiles(plt, answers, evaluation.target)
            case Tagged():
                figure = draw_tags(plt, evaluation, answers)
        figure.suptitle(evaluation.title, fontsize=9)
        save_figure(figure, path)


def _of_labels(plt: Pyplot, evaluation: Evaluation, answers: Labelled) -> Figure:
    drawn: list[Callable[[Axes], None]] = []
    if answers.said is not None:
        drawn.append(lambda axes: _confusions(axes, answers))
    if evaluation.calibration:
        of = f"of `{answers.names[1]}`" if len(answers.names) == 2 else "of the likeliest label"
        drawn.append(lambda axes: draw_calibration(axes, evaluation.calibration, of))
    if answers.score is not None:
        drawn.append(lambda axes: _scores(axes, answers))
    figure, panels = plt.subplots(1, len(drawn), figsize=(4.4 * len(drawn), 4.2), layout="constrained", squeeze=False)
    for draw, axes in zip(drawn, panels[0], strict=True):
        draw(axes)
    return figure


def _confusions(axes: Axes, answers: Labelled) -> None:
    """Of each row's examples, the share that is said to be of each column."""
    matrix = confusion(answers)
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    draw_matrix(axes, shares, answers.names, [[f"{count:,}" for count in row] for row in matrix.tolist()])
    axes.set_xlabel("said")
    axes.set_ylabel("right")
    axes.set_title("confusions", fontsize=9)


def _scores(axes: Axes, answers: Labelled) -> None:
    """The score of label 1, by what is right."""
    score = answers.score
    assert score is not None
    edges = np.histogram_bin_edges(score, bins=30).tolist()
    for label, colour in ((0, QUIET), (1, ACCENT)):
        axes.hist(score[answers.truth == label], edges, color=colour, alpha=0.6, label=answers.names[label])
    axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel(f"score of `{answers.names[1]}`")
    axes.set_ylabel("examples")
    axes.set_title("scores by what is right", fontsize=9)
    hide_spines(axes)


def _of_numbers(plt: Pyplot, answers: Measured, target: str) -> Figure:
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.6, 4.2), layout="constrained")
    truth, said = answers.truth.reshape(-1), answers.said.reshape(-1)
    some = _some(len(truth))
    size = float(np.clip(4000 / len(some), 3, 20))
    ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
    left.plot(ends, ends, color=QUIET, linewidth=0.8)
    left.scatter(truth[some], said[some], s=size, color=INK, alpha=0.5, linewidths=0)
    left.set_xlabel(target)
    left.set_ylabel("answer")
    middle.axhline(0, color=QUIET, linewidth=0.8)
    middle.scatter(said[some], (said - truth)[some], s=size, color=INK, alpha=0.5, linewidths=0)
    middle.set_xlabel("answer")
    middle.set_ylabel(f"answer minus {target}")
    _counted(right, said - truth)
    right.axvline(0, color=QUIET, linewidth=0.8)
    right.set_xlabel(f"answer minus {target}")
    right.set_ylabel("how many")
    for panel, title in ((left, "answers"), (middle, "residuals"), (right, "residuals, counted")):
        panel.set_title(title, fontsize=9)
        panel.locator_params(axis="x", nbins=4)  # Ticks of six digits have room beside each other.
        hide_spines(panel)
    return figure


def _of_quantiles(plt: Pyplot, answers: Quantiles, target: str) -> Figure:
    """How often what is right lies below each quantile; the widest interval and what is right; how wide it is."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12.6, 4.2), layout="constrained")
    left.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8)
    left.scatter(answers.levels, [float(each.mean()) for each in shares_below(answers)], color=TEAL, zorder=3)
    left.set_xlabel("level of the quantile")
    left.set_ylabel("share of what is right below it")
    left.set_title("calibration", fontsize=9)
    low, high = next(central(answers), (0, len(answers.levels) - 1))
    truth, said = answers.truth.reshape(-1), answers.said.swapaxes(1, 2).reshape(-1, len(answers.levels))
    some = _some(len(truth), MOST_BANDS)
    order = some[np.argsort(said[some, len(answers.levels) // 2], kind="stable")]
    places = np.arange(len(order))
    name = f"{answers.levels[low]:g} to {answers.levels[high]:g}"
    middle.vlines(places, said[order, low], said[order, high], color=QUIET, linewidth=1, alpha=0.6, label=name)
    is_inside = (truth >= said[:, low]) & (truth <= said[:, high])
    for inside, colour, label in ((True, INK, "inside"), (False, ACCENT, "outside")):
        shown = is_inside[order] == inside
        middle.scatter(places[shown], truth[order][shown], s=6, color=colour, linewidths=0, label=label, zorder=3)
    middle.legend(frameon=False, fontsize=8)
    middle.set_xlabel("in the order of their middle quantile")
    middle.set_ylabel(target)
    middle.set_title("intervals, and what is right", fontsize=9)
    _counted(right, said[:, high] - said[:, low])
    right.set_xlabel(f"width of the interval {name}")
    right.set_ylabel("how many")
    right.set_title("widths, counted", fontsize=9)
    for panel in (left, middle, right):
        hide_spines(panel)
    return figure


def _counted(panel: Axes, values: Array, bins: int = 40) -> None:
    """A histogram; numbers that differ by roundings alone are one bar."""
    low, high = float(values.min()), float(values.max())
    room = ROUNDED * max(abs(low), abs(high), 1.0)
    if high - low < room:
        middle, half = (low + high) / 2, max(abs(high) / 10, room)
        panel.hist(values, bins=[middle - half, middle + half], color=TEAL, alpha=0.7)
        panel.set_xlim(middle - 4 * half, middle + 4 * half)
    else:
        panel.hist(values, bins=bins, color=TEAL, alpha=0.7)


def _some(count: int, most: int = MOST_DOTS) -> Array:
    """The places of some numbers, the same for everyone."""
    if count <= most:
        return np.arange(count)
    return np.random.default_rng(0).choice(count, most, replace=False)
