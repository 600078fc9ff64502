"""Learning curves: the figures of one run over its steps, or of several beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.errors import ModelError
from mai.runtime.run_folders.summary import HELD_OUT, Summary, summary
from mai.runtime.show.canvas import ACCENT, GOLD, INK, QUIET, TEAL, Pyplot, hide_spines, plotting, save_figure
from mai.runtime.show.save import check_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mai.runtime.arrays import Array

COLOURS = (INK, ACCENT, TEAL, GOLD, "#7a5195", QUIET, "#6b8e23", "#8c564b")
RATE = "lr"
NOT_DRAWN = ("step", "block", "examples_per_second")
MOST_PANELS, ACROSS = 12, 3


def draw_run(folder: Path, out: Path) -> None:
    """Draw the curves of one run. Raises `ModelError` where the folder has no figures."""
    draw_curves([summary(folder)], out)


def draw_curves(runs: Sequence[Summary], out: Path, names: Sequence[str] | None = None) -> None:
    """Draw a panel for each figure, with a colour for each run: batches as thin lines, held-out examples as thick ones with dots.

    Args:
        names: what runs are called, by default by their folders; those of one name have one colour.

    Raises:
        ModelError: no run has figures yet, or the ending is that of no picture.
    """
    check_picture(out)
    figures = [*dict.fromkeys(name for run in runs for name in _figures(run))][:MOST_PANELS]
    if not figures:
        raise _no_figures_error(runs)
    called = list(names or (run.folder.name for run in runs))
    hues = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(dict.fromkeys(called))}
    with plotting() as plt:
        figure, panels = _panels(plt, len(figures))
        for axes, name in zip(panels, figures, strict=False):
            for run, label in zip(runs, called, strict=True):
                _draw(axes, run, name, hues[label], alone=len(runs) == 1)
            _finish(axes, name, alone=len(runs) == 1)
        if len(runs) > 1:
            _legend(figure, hues)
        else:
            figure.suptitle(called[0], fontsize=9)
        save_figure(figure, out)


def _figures(run: Summary) -> list[str]:
    """What a run tells of itself: the loss first, the learning rate last, where it moves."""
    names = dict.fromkeys(n.removeprefix(HELD_OUT) for line in run.lines for n in line if n not in NOT_DRAWN)
    rates = {line[RATE] for line in run.lines if RATE in line}
    return sorted((n for n in names if n != RATE or len(rates) > 1), key=lambda name: (name != "loss", name == RATE))


def _no_figures_error(runs: Sequence[Summary]) -> ModelError:
    where, steps = (runs[0].folder, runs[0].steps) if runs else ("there", 0)
    early = f"it has {steps:,} steps, and its first figures come after more: `mai train SPEC --resume` goes on"
    help = early if steps else "`mai train SPEC --out RUN` writes metrics.jsonl"
    return ModelError("file-not-found", f"there are no figures in {where}", help)


def _panels(plt: Pyplot, count: int) -> tuple[Figure, list[Axes]]:
    columns = min(ACROSS, count)
    rows = -(-count // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(4.2 * columns, 3.1 * rows), layout="constrained", squeeze=False)
    panels = [axes for row in grid for axes in row]
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]


def _draw(axes: Axes, run: Summary, name: str, hue: str, *, alone: bool) -> None:
    steps, values = _line(run, name)
    held_steps, held_values = _line(run, f"{HELD_OUT}{name}")
    if len(steps):
        axes.plot(
            steps,
            values,
            color=QUIET if alone and len(held_values) else hue,
            linewidth=0.9,
            alpha=0.9 if alone else 0.45,
            label="batches",
        )
    if len(held_values):
        axes.plot(
            held_steps,
            held_values,
            color=ACCENT if alone else hue,
            linewidth=1.5,
            marker="o",
            markersize=2.5,
            label="held-out examples",
        )
    if run.state == "done" and run.kept < run.steps and len(held_values):
        axes.axvline(
            run.kept, color=ACCENT if alone else hue, linewidth=0.8, linestyle=":", label="kept" if alone else None
        )


def _line(run: Summary, name: str) -> tuple[Array, Array]:
    points = [(float(line["step"]), float(line[name])) for line in run.lines if name in line]
    array = np.array(points, np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _finish(axes: Axes, name: str, *, alone: bool) -> None:
    """A logarithmic axis where numbers above 0 span more than a factor of 30."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in axes.get_lines()] or [np.zeros(0)])
    finite = values[np.isfinite(values)]
    if name != RATE and len(finite) and finite.min() > 0 and finite.max() > 30 * finite.min():
        axes.set_yscale("log")
    axes.set_title(name, fontsize=9)
    axes.set_xlabel("step")
    if alone and len(axes.get_lines()) > 1:
        axes.legend(frameon=False, fontsize=7)
    hide_spines(axes)


def _legend(figure: Figure, hues: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    shown = list(hues.items())[: 2 * len(COLOURS)]
    handles = [Line2D([], [], color=hue, linewidth=1.5, label=name) for name, hue in shown]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False, fontsize=7)
