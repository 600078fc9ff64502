"""An evaluation of tags as a picture: the metrics of each, what is said where each is there, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.evaluating.answers import Tagged
from mai.compiler.evaluating.pictures.panels import NAMED, draw_calibration, draw_matrix, short
from mai.compiler.evaluating.report import Evaluation
from mai.compiler.evaluating.tag_metrics import OfTag, said_together
from mai.runtime.show.canvas import ACCENT, INK, QUIET, TEAL, Pyplot, hide_spines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = (("f1", INK), ("auc", TEAL), ("average_precision", ACCENT))


def draw_tags(plt: Pyplot, evaluation: Evaluation, answers: Tagged) -> Figure:
    """The panels that these answers allow, side by side."""
    count = 1 + (answers.said is not None) + bool(evaluation.calibration)
    height = min(8.0, max(4.2, 0.35 * len(answers.names)))
    figure, panels = plt.subplots(1, count, figsize=(4.6 * count, height), layout="constrained", squeeze=False)
    rest = iter(panels[0])
    _metrics(next(rest), evaluation.tags)
    if answers.said is not None:
        _together(next(rest), answers)
    if evaluation.calibration:
        draw_calibration(next(rest), evaluation.calibration, "of a tag")
    return figure


def _metrics(axes: Axes, tags: list[OfTag]) -> None:
    """Of each tag the metrics, with their intervals."""
    for k, (name, colour) in enumerate(METRICS):
        shown = [
            (place + 0.2 * (k - 1), getattr(tag, name), getattr(tag, f"{name}_interval"))
            for place, tag in enumerate(tags) if getattr(tag, name) is not None
        ]  # fmt: skip
        for place, _, interval in shown:
            if interval is not None:
                axes.plot(interval, [place, place], color=colour, linewidth=1, alpha=0.6)
        axes.scatter(
            [value for _, value, _ in shown], [place for place, *_ in shown], s=14, color=colour, zorder=3,
            label=name.replace("_", " "),
        )  # fmt: skip
    axes.axvline(0.5, color=QUIET, linewidth=0.8)
    if len(tags) <= NAMED:
        axes.set_yticks(range(len(tags)), [short(tag.name) for tag in tags], fontsize=8)
    axes.set_ylim(len(tags) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    axes.set_title("each tag, with 95 % intervals", fontsize=9)
    hide_spines(axes)


def _together(axes: Axes, answers: Tagged) -> None:
    """Of the examples in which each row's tag is there, the share that is said to have each column's."""
    shares = said_together(answers)
    draw_matrix(axes, shares, answers.names, [[f"{share:.2f}" for share in row] for row in shares.tolist()])
    axes.set_xlabel("said")
    axes.set_ylabel("there")
    axes.set_title("what is said where a tag is there", fontsize=9)
