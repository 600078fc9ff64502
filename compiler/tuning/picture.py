"""The curve of `mai tune`: quality against evaluations, a line a method, the chosen plan marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mai.compiler.tuning.search import Point
from mai.compiler.tuning.tune import Outcome
from mai.runtime.show.canvas import ACCENT, GOLD, INK, QUIET, TEAL, hide_spines, plotting, save_figure

LOOKS = {
    "euler": (QUIET, "o"), "midpoint": (GOLD, "s"), "heun": (TEAL, "D"), "rk4": (INK, "^"), "ab2": ("#8d6a9f", "v"),
    "ab3": ("#7a9e4b", "P"),
}  # fmt: skip


def draw(outcome: Outcome, path: Path, title: str) -> None:
    """Draw every plan of even steps, the band of the allowed quality, and what was chosen, as the search measured them."""
    with plotting() as plt:
        figure, axes = plt.subplots(figsize=(6, 4))
        even = [p for p in outcome.found.curve if p.plan.grid.even]
        for method, (colour, mark) in LOOKS.items():
            _line(axes, [p for p in even if p.plan.method == method], outcome.found.searched, (colour, mark))
        reference, tuned = outcome.found.searched, outcome.tuned
        limit = reference.mean + (tuned.factor - 1) * abs(reference.mean)
        said = f"{tuned.factor:g} times that of {reference.plan}"
        axes.axhline(limit, color=ACCENT, linewidth=0.8, linestyle="--", label=said)
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


def _line(axes: Any, points: list[Point], reference: Point, look: tuple[str, str]) -> None:
    """A method's means, with the deviation of their ratio to the reference's: all plans share what a seed is worth."""
    held = sorted(points, key=lambda p: p.plan.evaluations)
    if not held:
        return
    (colour, mark), x = look, [p.plan.evaluations for p in held]
    spread = [p.spread(reference) * abs(reference.mean) for p in held]
    low, high = [[p.mean + sign * e for p, e in zip(held, spread, strict=True)] for sign in (-1, 1)]
    axes.plot(x, [p.mean for p in held], color=colour, marker=mark, markersize=3.5, lw=1, label=held[0].plan.method)
    axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)


def _mark_chosen(axes: Any, outcome: Outcome) -> None:
    chosen = outcome.found.chosen
    if chosen is None:
        return
    shown = next(p for p in outcome.found.curve if p.plan == chosen.plan)
    axes.plot(
        shown.plan.evaluations, shown.mean, "*", color=ACCENT, markersize=13, zorder=5, label=f"chosen: {shown.plan}"
    )
