"""Pictures of functions of the plane: numbers as a map, classes as regions, on a grid or at scattered points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.show.canvas import ACCENT, GOLD, INK, QUIET, TEAL, Pyplot, beside, style_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

CLASS_COLOURS = (ACCENT, TEAL, GOLD, INK, "#8f6bb3", "#7ba05b", "#c9865b", QUIET)
STRENGTH = 0.75  # How much of a class's colour a probability of 1 has; the rest is white.
# A log density falls off without end. Its height is that of its highest tenth (a linear function's is a tenth of its span).
# Where numbers span more than LONG heights, what is shown of them is HEIGHTS heights below their maximum.
TOP, HEIGHTS, LONG = 0.9, 5, 20


def draw_field(
    plt: Pyplot,
    points: Array,
    values: Array,
    span: tuple[float, float] | None,
    names: Sequence[str] = (),
    at: str = "",
) -> Figure:
    """A figure of a function of the plane.

    Args:
        points: where it was computed, [n, 2].
        values: numbers [n], or the probabilities of K classes [n, K].
        span: the smallest and largest number that has a colour of its own; by default `visible_range`.
        names: the names of the classes.
        at: the name of the points, by which the axes are called; none where it is empty.
    """
    figure, axes = plt.subplots(figsize=(5, 5))
    style_plane(axes, points)
    if at:
        axes.set_xlabel(f"{at}[0]")
        axes.set_ylabel(f"{at}[1]")
    order, side = _grid(points)
    if values.ndim == 1:
        low, high = span or visible_range(points, values)
        shown = _map(axes, points, values, order, side, (low, high))
        beyond = (bool(values.min() < low), bool(values.max() > high))
        extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(beyond, "neither")
        beside = axes.inset_axes((1.03, 0.0, 0.035, 1.0))  # As high as the map, whatever its shape.
        bar = figure.colorbar(shown, cax=beside, extend=extend)
        bar.outline.set_visible(False)
        _label_ends(bar.ax, (low, high), beyond)
    else:
        _regions(axes, points, values, order, side)
        _legend(axes, names)
    return figure


def draw_kinds(axes: Axes, points: Array, labels: Array, size: float) -> None:
    """Points [n, 2] in the colours of their labels [n], numbers or names, of which a legend tells."""
    kinds = np.unique(labels)
    for kind, colour in zip(kinds, _colours(len(kinds)), strict=True):
        some = points[labels == kind]
        axes.scatter(some[:, 0], some[:, 1], s=size, color=colour, alpha=0.7, linewidths=0, label=str(kind))
    beside(axes)


def visible_range(points: Array, values: Array) -> tuple[float, float]:
    """The smallest and largest number that colours show.

    All finite `values` [n], but the top of them alone where they fall off far toward the edge of the `points` [n, 2]: a map
    of a log density would show nothing but its tails. A minimum inside is a well, and no tail.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return 0.0, 0.0
    numbers, at = values[finite].astype(float), points[finite]
    low, high = float(numbers.min()), float(numbers.max())
    height = high - float(np.quantile(numbers, TOP))
    lowest = at[numbers.argmin()]
    outside = bool(((lowest == points.min(0)) | (lowest == points.max(0))).any())
    return (high - HEIGHTS * height, high) if outside and high - low > LONG * height > 0 else (low, high)


def _label_ends(scale: Axes, span: tuple[float, float], beyond: tuple[bool, bool]) -> None:
    """Write beside the arrows at the ends of a colour scale which numbers they stand for."""
    ends = (("below", -0.07, "top"), ("above", 1.07, "bottom"))
    for number, some, (word, place, side) in zip(span, beyond, ends, strict=True):
        if some:
            text = f"{number:.3g} and {word}".replace("-", "\N{MINUS SIGN}")
            scale.text(0, place, text, transform=scale.transAxes, ha="left", va=side, fontsize=8)


def _grid(points: Array) -> tuple[Array | None, tuple[int, int]]:
    """The order in which points fill the rows of a regular grid, None where they are no full grid; and its rows and columns."""
    columns, rows = len(np.unique(points[:, 0])), len(np.unique(points[:, 1]))
    full = columns * rows == len(points) and min(columns, rows) > 1
    return (np.lexsort((points[:, 0], points[:, 1])) if full else None), (rows, columns)


def _map(
    axes: Axes, points: Array, values: Array, order: Array | None, side: tuple[int, int], span: tuple[float, float]
) -> ScalarMappable:
    from matplotlib.colors import LinearSegmentedColormap

    heat = LinearSegmentedColormap.from_list("heat", ["#fdf8f0", GOLD, ACCENT, INK])
    if order is None:
        return axes.scatter(
            points[:, 0],
            points[:, 1],
            c=values,
            s=max(2.0, min(30.0, 4000 / len(points))),
            linewidths=0,
            cmap=heat,
            vmin=span[0],
            vmax=span[1],
        )
    x, y, z = (a[order].reshape(side) for a in (points[:, 0], points[:, 1], values))
    return axes.pcolormesh(x, y, z, shading="nearest", rasterized=True, cmap=heat, vmin=span[0], vmax=span[1])


def _regions(axes: Axes, points: Array, classes: Array, order: Array | None, side: tuple[int, int]) -> None:
    """Each class in its colour, paler where it is less sure; a line where the likeliest class changes."""
    mixed = np.clip(1 - STRENGTH * (1 - classes @ _colours(classes.shape[1])), 0, 1)
    if order is None:
        axes.scatter(points[:, 0], points[:, 1], c=mixed, s=max(2.0, min(30.0, 4000 / len(points))), linewidths=0)
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

    return np.array([to_rgb(CLASS_COLOURS[k % len(CLASS_COLOURS)]) for k in range(count)]).reshape(count, 3)


def _legend(axes: Axes, names: Sequence[str]) -> None:
    """The names of classes beside the plane, each with its colour."""
    from matplotlib.patches import Patch

    sure = 1 - STRENGTH * (1 - _colours(len(names)))
    patches = [Patch(color=colour, label=name) for colour, name in zip(sure, names, strict=True)]
    if patches:
        beside(axes, patches)
