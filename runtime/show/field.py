"""Functions of the plane: numbers as a map, classes as regions, on a grid or at scattered points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mai.runtime.arrays import Array

from mai.runtime.show.canvas import ACCENT, GOLD, INK, QUIET, TEAL, plane

CLASSES = (ACCENT, TEAL, GOLD, INK, "#8f6bb3", "#7ba05b", "#c9865b", QUIET)
STRENGTH = 0.75  # of the colour of a class that is sure.
# A log density falls off far: its highest tenth, and so many times its height below it, are what is seen of it.
TOP, HEIGHTS = 0.9, 5
LONG = 20  # times this height, what numbers span is a tail; the height of a linear function is a tenth.


def draw(plt: Any, points: Array, values: Array, span: tuple[float, float] | None, names: Sequence[str] = ()) -> Any:
    """A figure of `values` [n], or of probabilities [n, K], at `points` [n, 2]; `span` is what the colours span, `names` are
    those of the classes.
    """
    figure, axes = plt.subplots(figsize=(5, 5))
    plane(axes)
    order, side = _grid(points)
    if values.ndim == 1:
        low, high = span or worth_seeing(points, values)
        shown = _map(axes, points, values, order, side, (low, high))
        beyond = (bool(values.min() < low), bool(values.max() > high))
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(beyond, "neither")
        bar = figure.colorbar(shown, ax=axes, shrink=0.7, pad=0.02, extend=extend)
        bar.outline.set_visible(False)
        _say_beyond(bar.ax, (low, high), beyond)
    else:
        _regions(axes, points, values, order, side)
        _legend(axes, names)
    return figure


def worth_seeing(points: Array, values: Array) -> tuple[float, float]:
    """What colours span: all finite `values` [n], or the top of them where they fall off far toward the edge of the `points`
    [n, 2]. What is lowest inside, a well, is no tail.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return 0.0, 0.0
    seen, at = values[finite].astype(float), points[finite]
    low, high = float(seen.min()), float(seen.max())
    height = high - float(np.quantile(seen, TOP))
    lowest = at[seen.argmin()]
    outside = bool(((lowest == points.min(0)) | (lowest == points.max(0))).any())
    return (high - HEIGHTS * height, high) if outside and high - low > LONG * height > 0 else (low, high)


def _say_beyond(scale: Any, span: tuple[float, float], beyond: tuple[bool, bool]) -> None:
    """What the arrows at the ends of a scale stand for."""
    ends = (("below", -0.07, "top"), ("above", 1.07, "bottom"))
    for number, some, (word, place, side) in zip(span, beyond, ends, strict=True):
        if some:
            said = f"{number:.3g} and {word}".replace("-", "\N{MINUS SIGN}")
            scale.text(0, place, said, transform=scale.transAxes, ha="left", va=side, fontsize=8)


def _grid(points: Array) -> tuple[Array | None, tuple[int, int]]:
    """The order that makes rows of a full grid out of its points, and how many there are; None for other points."""
    columns, rows = len(np.unique(points[:, 0])), len(np.unique(points[:, 1]))
    full = columns * rows == len(points) and min(columns, rows) > 1
    return (np.lexsort((points[:, 0], points[:, 1])) if full else None), (rows, columns)


def _map(
    axes: Any, points: Array, values: Array, order: Array | None, side: tuple[int, int], span: tuple[float, float]
) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    heat = LinearSegmentedColormap.from_list("heat", ["#fdf8f0", GOLD, ACCENT, INK])
    look = {"cmap": heat, "vmin": span[0], "vmax": span[1]}
    if order is None:
        return axes.scatter(*points.T, c=values, s=max(2.0, min(30.0, 4000 / len(points))), linewidths=0, **look)
    x, y, z = (a[order].reshape(side) for a in (points[:, 0], points[:, 1], values))
    return axes.pcolormesh(x, y, z, shading="nearest", rasterized=True, **look)


def _regions(axes: Any, points: Array, classes: Array, order: Array | None, side: tuple[int, int]) -> None:
    """Each class in its colour, paler where it is less sure; a line where the likeliest class changes."""
    mixed = np.clip(1 - STRENGTH * (1 - classes @ _colours(classes.shape[1])), 0, 1)
    if order is None:
        axes.scatter(*points.T, c=mixed, s=max(2.0, min(30.0, 4000 / len(points))), linewidths=0)
        return
    x, y = (a[order].reshape(side) for a in (points[:, 0], points[:, 1]))
    axes.pcolormesh(x, y, mixed[order].reshape(*side, 3), shading="nearest", rasterized=True)
    for k in range(1, classes.shape[1]):
        lead = (classes[:, k] - np.delete(classes, k, 1).max(1))[order].reshape(side)
        if lead.min() < 0 < lead.max():
            axes.contour(x, y, lead, levels=[0], colors=[INK], linewidths=0.8)


def _colours(count: int) -> Array:
    """Red, green and blue of classes, [count, 3]."""
    from matplotlib.colors import to_rgb

    return np.array([to_rgb(CLASSES[k % len(CLASSES)]) for k in range(count)]).reshape(count, 3)


def _legend(axes: Any, names: Sequence[str]) -> None:
    """The names of classes beside the plane, each with its colour."""
    from matplotlib.patches import Patch

    sure = 1 - STRENGTH * (1 - _colours(len(names)))
    patches = [Patch(color=colour, label=name) for colour, name in zip(sure, names, strict=True)]
    if patches:
        axes.legend(handles=patches, frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
