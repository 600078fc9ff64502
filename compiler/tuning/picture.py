"""The curve of `mai tune`: quality against evaluations, a line for each method, with the chosen plan marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.solvers import SOLVERS
from mai.compiler.tuning.search import Point
from mai.compiler.tuning.subject import METHODS
from mai.compiler.tuning.tune import Outcome
from mai.runtime.show.canvas import ACCENT, hide_spines, plotting, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(outcome: Outcome, path: Path, title: str) -> None:
    """Draw the plans of even steps as the search measured them, the limit of the allowed quality, and the chosen plan.

    Args:
        path: a .png, .svg or .pdf to write.

    Raises:
        ModelError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    with plotting() as plt:
        figure, axes = plt.subplots(figsize=(6, 4))
        even = [p for p in outcome.search.curve if p.plan.plain]
        draw_methods(axes, even, outcome.search.searched)
        reference, tuned = outcome.search.searched, outcome.tuned
        limit = reference.mean + (tuned.factor - 1) * abs(reference.mean)
        allowed = f"{tuned.factor:g} times that of {reference.plan}"
        axes.axhline(limit, color=ACCENT, linewidth=0.8, linestyle="--", label=allowed)
        _mark_chosen(axes, outcome)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        if min(min(p.values) for p in even) > 0:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("evaluations of the velocity")
        axes.set_ylabel(f"{tuned.metric}, lower is better")
        axes.set_title(title, fontsize=10, pad=10)
        axes.legend(frameon=False, fontsize=7)
        hide_spines(axes)
        save_figure(figure, path)


def draw_methods(axes: Axes, points: Sequence[Point], reference: Point) -> None:
    """Draw a line for each method that some of the points have, in the method's own colour."""
    for method in METHODS:
        _line(axes, [p for p in points if p.plan.method == method], reference, SOLVERS[method].look)


def _line(axes: Axes, points: list[Point], reference: Point, look: tuple[str, str]) -> None:
    """Draw a method's means, in a band of the deviation of their ratio to the reference's.

    All plans are measured on the same seeds, so the deviation of the ratio is that of the plan, without that of the seeds.
    """
    ordered = sorted(points, key=lambda p: p.plan.evaluations)
    if not ordered:
        return
    (colour, mark), x = look, [p.plan.evaluations for p in ordered]
    spread = [p.spread(reference) * abs(reference.mean) for p in ordered]
    low, high = [[p.mean + sign * e for p, e in zip(ordered, spread, strict=True)] for sign in (-1, 1)]
    axes.plot(
        x, [p.mean for p in ordered], color=colour, marker=mark, markersize=3.5, lw=1, label=ordered[0].plan.method
    )
    axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)


def _mark_chosen(axes: Axes, outcome: Outcome) -> None:
    chosen = outcome.search.chosen
    if chosen is None:
        return
    shown = next(p for p in outcome.search.curve if p.plan == chosen.plan)
    axes.plot(shown.plan.cost, shown.mean, "*", color=ACCENT, markersize=13, zorder=5, label=f"chosen: {shown.plan}")
