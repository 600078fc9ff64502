"""Pictures of the weights that `record` kept while a spec trained: neurons as particles, numbers as lines and histograms.

A neuron as a particle that training moves is equation (6) of G. Peyré's *The Mathematics of Artificial Intelligence*.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import UNREADABLE, read_arrays
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.show.animate import Motion, animate, colour_dots
from mai.runtime.show.canvas import (
    ACCENT,
    INK,
    QUIET,
    Pyplot,
    fitting_height,
    fix_limits,
    hide_spines,
    plotting,
    save_figure,
)
from mai.runtime.show.save import MOVING, PICTURES, check_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_LINES = 100
STEPS = ".steps"


@dataclass(frozen=True, slots=True)
class Record:
    """A weight over training: `values` [times, ...], taken at `steps` [times]."""

    name: str
    values: Array
    steps: list[int]


def read_records(path: Path) -> dict[str, Record]:
    """The weights in a `records.npz`, by name, in the order of the spec; `path` is that file or the folder of a run.

    Raises:
        ModelError: the file is missing, or holds no weights over time.
    """
    file = path / "records.npz" if path.is_dir() else path
    if not file.is_file():
        raise ModelError(
            "file-not-found", f"there is no file {file}", "`record f.v every 100` in a train block keeps some"
        )
    try:
        arrays = read_arrays(file)
    except UNREADABLE as error:
        raise ModelError("not-a-path", f"{file} is no file of arrays") from error
    names = [n for n in arrays if n + STEPS in arrays and _are_over_time(arrays[n], arrays[n + STEPS])]
    if not names:
        help = "`record f.v every 100` in a train block writes records.npz"
        raise ModelError("not-a-path", f"{file} holds no weights over time", help)
    return {n: Record(n, arrays[n], arrays[n + STEPS].tolist()) for n in names}


def _are_over_time(values: Array, steps: Array) -> bool:
    """Whether there is one of `values` [times, ...] for each of `steps` [times], all of them numbers."""
    numbers = values.dtype.kind in "fiu" and steps.dtype.kind in "iu"
    return numbers and values.size > 0 and values.ndim > 0 and steps.shape == values.shape[:1]


def draw_records(path: Path, out: Path, shown: str | None = None, hue: str | None = None) -> None:
    """Draw one recorded weight to a picture, or to a `.gif`.

    A weight [n, 2] is drawn as n particles of the plane, coloured by a weight [n] that was recorded beside it. Any other is
    drawn as numbers: lines over the steps, and their histograms before and after.

    Args:
        path: a `records.npz`, or the folder of a run.
        out: the file to write.
        shown: which weight; by default the first of shape [n, 2], or else the first.
        hue: the weight that colours it; by default the first that fits.

    Raises:
        ModelError: a file or a name is unknown, or the ending is that of no picture.
    """
    check_picture(out, PICTURES + MOVING)
    records = read_records(path)
    for name in (shown, hue):
        if name is not None and name not in records:
            raise unknown_name_error(name, list(records))
    points = [r for r in records.values() if _is_points(r)]
    chosen = records[shown] if shown else (points or list(records.values()))[0]
    motion = _motion(chosen, records, hue)
    if out.suffix.lower() in MOVING:
        animate(motion, out, title=chosen.name)
        return
    with plotting() as plt:
        figure = _before_and_after(plt, motion) if _is_points(chosen) else _lines(plt, motion)
        figure.axes[0].set_title(f"{chosen.name}, {figure.axes[0].get_title()}".rstrip(", "), fontsize=9)
        save_figure(figure, out)


def _is_points(record: Record) -> bool:
    return record.values.ndim == 3 and record.values.shape[-1] == 2


def _motion(chosen: Record, records: dict[str, Record], hue: str | None) -> Motion:
    """A weight as a motion, with the numbers that colour its points."""
    if not _is_points(chosen):
        return Motion(chosen.values.reshape(len(chosen.values), -1), chosen.steps)
    fitting = {
        n: r for n, r in records.items() if r.values.shape == chosen.values.shape[:2] and r.steps == chosen.steps
    }
    if hue is not None and hue not in fitting:
        n = chosen.values.shape[1]
        message = f"`{hue}` cannot colour `{chosen.name}`: it is {list(records[hue].values.shape[1:])}, not [{n}]"
        raise ModelError("input-shape", message, "record both, equally often")
    colouring = hue or next(iter(fitting), None)
    hues = None if colouring is None else fitting[colouring].values
    return Motion(chosen.values, chosen.steps, hues=hues, hue_name=colouring or "")


def _before_and_after(plt: Pyplot, motion: Motion) -> Figure:
    """Particles where training began, and where it ended, with the paths between."""
    from matplotlib.collections import LineCollection

    figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.2), sharex=True, sharey=True, layout="constrained")
    size = float(np.clip(4000 / motion.values.shape[1], 4, 40))
    scatters = []
    for panel, time in zip(axes, (0, -1), strict=True):
        fix_limits(panel, motion.values)
        figure.set_figheight(fitting_height(panel, 3.8) + 0.6)
        panel.set_title(f"step {motion.steps[time]:,}", fontsize=9)
        dots = panel.scatter(*motion.values[time].T, s=size, c=INK, alpha=0.9, linewidths=0, zorder=2)
        dots.set_array(None if motion.hues is None else motion.hues[time])
        scatters.append(dots)
    paths = LineCollection(list(motion.values.swapaxes(0, 1)), colors=QUIET, linewidths=0.5, alpha=0.45, zorder=1)
    axes[1].add_collection(paths)
    if motion.hues is not None:
        colour_dots(figure, axes, scatters, motion)
    return figure


def _lines(plt: Pyplot, motion: Motion) -> Figure:
    """Numbers as lines over the steps, and their histograms before and after."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained", width_ratios=[3, 2])
    count = motion.values.shape[1]
    some = np.linspace(0, count - 1, min(count, MAX_LINES)).astype(int)
    left.plot(motion.steps, motion.values[:, some], color=INK, linewidth=0.6, alpha=0.4)
    left.set_xlabel("step")
    ends = motion.values[[0, -1]]
    edges = np.histogram_bin_edges(ends[np.isfinite(ends)], bins=min(60, max(8, count // 8)))
    for time, colour in ((0, QUIET), (-1, ACCENT)):
        right.hist(motion.values[time], edges, color=colour, alpha=0.6, label=f"step {motion.steps[time]:,}")
    right.legend(frameon=False, fontsize=8)
    for panel in (left, right):
        hide_spines(panel)
    return figure
