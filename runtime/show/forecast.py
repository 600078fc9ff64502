"""Pictures of forecasts: the past as it was, what follows it as a curve, and a band where several futures were drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.show.canvas import ACCENT, INK, Pyplot, hide_spines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 6
MOST_PAST = 6  # Horizons of the past that are shown.
BANDS = ((0.05, 0.95, 0.18), (0.25, 0.75, 0.3))  # Two quantiles, and how dark the band between them is.


def draw_forecasts(plt: Pyplot, past: Array, future: Array) -> Figure:
    """A figure of forecasts, a panel for each of the first examples.

    Args:
        past: what the forecasts were made from, [n, window].
        future: one future, [n, horizon], or several that were drawn, [n, draws, horizon].
    """
    count = min(len(future), MAX_PANELS)
    columns = min(count, 2)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(5.0 if columns == 1 else 3.6 * columns, 2.2 * rows + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for i, panel in enumerate(axes.flat):
        if i < count:
            _panel(panel, past[i], np.atleast_2d(future[i]))
        else:
            panel.axis("off")
    if len(np.atleast_2d(future[0])) > 1:
        handles, names = axes.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names), frameon=False, fontsize=8)
    figure.supxlabel("steps from now", color=INK, fontsize=8)
    return figure


def _panel(panel: Axes, past: Array, futures: Array) -> None:
    """One example: its past [window] in steps up to 0, its futures [draws, horizon] in those from 1."""
    horizon = futures.shape[1]
    shown = past[-max(MOST_PAST * horizon, 8) :]
    panel.plot(np.arange(1 - len(shown), 1), shown, color=INK, linewidth=1)
    joined = np.concatenate([np.full((len(futures), 1), past[-1]), futures], 1)
    steps = np.arange(horizon + 1)
    if len(futures) > 1:
        for low, high, strength in BANDS:
            bounds = np.quantile(joined, [low, high], axis=0)
            panel.fill_between(
                steps, *bounds, color=ACCENT, alpha=strength, linewidth=0, label=f"{low * 100:.0f} to {high:.0%}"
            )
    panel.plot(
        steps, np.median(joined, 0), color=ACCENT, linewidth=1.2, marker="o" if horizon == 1 else None, markersize=3
    )
    panel.axvline(0, color=INK, linewidth=0.5, alpha=0.3)
    hide_spines(panel)
