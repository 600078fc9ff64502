"""Pictures of functions of one number: a curve for each result, over what it was computed from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.show.canvas import INK, Pyplot, beside, hide_spines
from mai.runtime.show.field import CLASS_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_graph(plt: Pyplot, at: Array, values: Array, name: str, called: Sequence[str]) -> Figure:
    """A figure of functions of one number.

    Args:
        at: where they were computed, [n], in any order; numbers that stand there twice have dots in the place of lines.
        values: [n, k].
        name: of the input.
        called: the k functions; none for one that has no name.
    """
    figure, axes = plt.subplots(figsize=(5, 3))
    order = np.argsort(at, kind="stable")
    is_function = len(np.unique(at)) == len(at)
    line = {"linewidth": 1.2} if is_function else {"linestyle": "none", "marker": "o", "markersize": 2.5, "alpha": 0.6}
    for k in range(values.shape[1]):
        hue = INK if values.shape[1] == 1 else CLASS_COLOURS[k % len(CLASS_COLOURS)]
        axes.plot(at[order], values[order, k], color=hue, label=called[k] if called else None, **line)
    axes.set_xlabel(name)
    if called:
        beside(axes)
    hide_spines(axes)
    return figure
