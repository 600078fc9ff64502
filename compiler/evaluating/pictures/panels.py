"""Panels that pictures of several kinds of answers have: a matrix of shares, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mai.compiler.evaluating.metrics import Bin
from mai.runtime.arrays import Array
from mai.runtime.show.canvas import INK, QUIET, TEAL, hide_spines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERED, NAMED = 12, 30  # The most rows whose cells have a number, and that have a name.
LONG = 14  # The most letters of a name.


def short(name: str) -> str:
    """A name as far as a picture has room for it."""
    return name if len(name) <= LONG else f"{name[: LONG - 1]}…"


def draw_matrix(axes: Axes, shares: Array, names: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Shares, [k, k], as colours, with what stands in their cells and the names of rows and columns where there is room."""
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    count = len(names)
    if count <= NUMBERED:
        for i, j in np.ndindex(shares.shape):
            colour = "white" if shares[i, j] > 0.5 else INK
            axes.text(j, i, cells[i][j], ha="center", va="center", color=colour, fontsize=8)
    if count <= NAMED:
        shown = [short(name) for name in names]
        axes.set_xticks(range(count), shown, rotation=90 if max(map(len, shown)) > 3 and count > 4 else 0, fontsize=8)
        axes.set_yticks(range(count), shown, fontsize=8)


def draw_calibration(axes: Axes, bins: list[Bin], of: str) -> None:
    """How often what has a probability is so, with its interval; the sizes of the dots are the numbers of examples."""
    said, right = ([getattr(each, name) for each in bins] for name in ("said", "right"))
    reach = [[each.right - each.interval[0] for each in bins], [each.interval[1] - each.right for each in bins]]
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8)
    axes.errorbar(said, right, yerr=reach, fmt="none", ecolor=QUIET, elinewidth=1)
    total = sum(each.count for each in bins)
    axes.scatter(said, right, s=[12 + 150 * each.count / total for each in bins], color=TEAL, zorder=3)
    axes.set_xlabel(f"probability {of}")
    axes.set_ylabel("share of examples where it is so")
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_title("calibration", fontsize=9)
    hide_spines(axes)
