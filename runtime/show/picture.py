"""Pictures of results, chosen by their shape and by what they were computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Port
from mai.runtime.show.canvas import (
    ACCENT,
    INK,
    MAX_IMAGES,
    QUIET,
    TEAL,
    Grid,
    Pyplot,
    above,
    as_images,
    figure_inches,
    hide_spines,
    image_span,
    mosaic,
    name_rows,
    plotting,
    save_figure,
    show_mosaic,
    style_plane,
)
from mai.runtime.show.field import draw_field, draw_kinds
from mai.runtime.show.forecast import draw_forecasts
from mai.runtime.show.graph import draw_graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PATHS = 400
MAX_BARS = 12
MAX_KINDS = 8  # Labels that have colours of their own.
MAX_CURVES = 60
FILM_ROWS, FILM_COLUMNS = 8, 9
MIN_FLAT_IMAGE = 16  # Pixels: fewer numbers in a row are taken for numbers.
SMALL_LETTER_INCHES = 0.05  # About the width of a letter of 6 points.


@dataclass(frozen=True)
class Look:
    """What a picture shows beside the result itself.

    Attributes:
        title: above the picture.
        labels: a label for each example, [batch], numbers or names, by which images are ordered in rows and points coloured.
        inputs: the inputs that the result was computed from, by name, each [batch, ...].
        span: the smallest and largest number that has a colour of its own.
        names: the names of the classes of each result, by the result's name.
        over: points of data [n, 2], drawn over a map and beside points.
        series: the window and the horizon of the series that the file was trained on, where it was.
    """

    title: str = ""
    labels: Array | None = None
    inputs: Mapping[str, Array] = field(default_factory=dict)
    span: tuple[float, float] | None = None
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    over: Array | None = None
    series: tuple[int, int] | None = None

    @property
    def only_input(self) -> str:
        """The name of the input, where there is one alone; else nothing."""
        return next(iter(self.inputs)) if len(self.inputs) == 1 else ""

    def of(self, result: str) -> Look:
        """The same for one of several results, whose name goes into the title."""
        return replace(self, title=f"{self.title}: {result}" if self.title else result)


def draw(result: Array, port: Port, path: Path, look: Look | None = None) -> None:
    """Draw a result, [batch, ...] or one for all examples, to a .png, .svg or .pdf.

    Its shape and its path axis decide the picture: points, paths, a film of images, curves, images, bars of classes, or a
    histogram. Numbers or classes of points in the plane are drawn at the points, classes of images beside the images.

    Raises:
        ModelError: `out-unknown`: matplotlib is not installed, or there is data to draw over what is no map and no points.
        OSError: the file cannot be written.
    """
    look = look or Look()
    batch = result if port.batch else result[None]
    batch = batch.astype(np.uint8) if batch.dtype.kind == "b" else batch
    if look.over is not None and not _is_plane(batch, port, look):
        raise ModelError(
            "out-unknown",
            f"`{port.name}` is no map of the plane, no points of it and no curve: data cannot be drawn over it",
        )
    with plotting() as plt:
        figure = _choose(plt, batch, port, look)
        if look.over is not None:
            _draw_over(figure.axes[0], look.over)
        if look.title and len(figure.axes) <= 2:  # A map has its scale beside it.
            pad = 10 if figure.axes[0].get_legend() is None else 22
            figure.axes[0].set_title(look.title, fontsize=10, pad=pad)
        elif look.title:
            figure.suptitle(look.title, color=INK, fontsize=10)
        save_figure(figure, path)


def _choose(plt: Pyplot, batch: Array, port: Port, look: Look) -> Figure:
    if port.path is not None:
        return _path(plt, np.moveaxis(batch, 1 + port.path, 1), look)
    shape = batch.shape[1:]
    classes = len(shape) == 1 and _is_probability(batch)
    past = _past(look, batch)
    if past is not None:
        return draw_forecasts(plt, past, batch)
    points, images = _input_points(look, len(batch)), _input_images(look, len(batch))
    names = look.names.get(port.name, ())
    if points is not None and not shape and names and port.classes:
        return draw_field(plt, points, np.eye(port.classes)[batch], None, names, look.only_input)
    if points is not None and (classes or not shape):
        names = names or ([str(k) for k in range(shape[0])] if classes else ())
        return draw_field(plt, points, batch, look.span, names, look.only_input)
    if _is_graph(look, batch, port):
        return _graph(plt, batch, port, look)
    if classes:
        return _bars(plt, batch, images, names)
    if len(shape) == 2 and shape[-1] == 1:
        return _functions(plt, batch[..., 0])
    shown = as_images(batch)
    if shown is not None:
        return show_mosaic(plt, shown[:MAX_IMAGES], look.labels, look.span or _span(batch[:MAX_IMAGES]))[0]
    if len(shape) == 3 and shape[-1] == 2:
        return _paths(plt, batch[0].swapaxes(0, 1))
    if len(shape) == 2 and shape[-1] == 2:
        return _paths(plt, batch)
    if len(shape) == 1 and 2 < shape[0] <= MAX_BARS and len(batch) > 1:
        return _histograms(plt, batch)
    are_points = shape == (2,) and port.dtype != "bool"
    return _points(plt, batch, look.labels) if are_points else _histogram(plt, batch)


def _past(look: Look, batch: Array) -> Array | None:
    """The past [batch, window] of results that are futures, [batch, horizon] or several for each, [batch, draws, horizon]."""
    if look.series is None or batch.ndim not in (2, 3) or batch.shape[-1] != look.series[1]:
        return None
    pasts = [a for a in look.inputs.values() if a.shape == (len(batch), look.series[0])]
    return pasts[0] if pasts else None


def _is_graph(look: Look, batch: Array, port: Port) -> bool:
    """Whether results are a few functions of one number: not those that are two numbers, points of the plane, nor labels."""
    at = look.inputs.get(look.only_input)
    few = batch.ndim == 1 or (batch.ndim == 2 and batch.shape[1] != 2 and batch.shape[1] <= MAX_BARS)
    return at is not None and at.shape == (len(batch),) and few and len(np.unique(at)) > 2 and not port.classes


def _graph(plt: Pyplot, batch: Array, port: Port, look: Look) -> Figure:
    values = batch.reshape(len(batch), -1)
    count = values.shape[1]
    numbered = [f"[{k}]" for k in range(count)] if count > 1 else []
    return draw_graph(plt, look.inputs[look.only_input], values, look.only_input, look.names.get(port.name) or numbered)


def _is_plane(batch: Array, port: Port, look: Look) -> bool:
    shape = batch.shape[1:]
    is_map = _input_points(look, len(batch)) is not None and len(shape) < 2
    is_curve = _is_graph(look, batch, port) and batch[0].size == 1
    return port.path is None and (shape == (2,) or is_map or is_curve)


def _draw_over(axes: Axes, points: Array) -> None:
    """Points of data over what was computed, in the limits that those and the picture need together."""
    size = float(np.clip(2000 / len(points), 1.5, 16))
    axes.scatter(points[:, 0], points[:, 1], s=size, c=TEAL, edgecolors="white", linewidths=0.2, label="data", zorder=4)
    above(axes)


def _is_probability(batch: Array) -> bool:
    return batch.dtype.kind == "f" and bool((batch >= -1e-6).all() and np.allclose(batch.sum(-1), 1, atol=1e-3))


def _input_points(look: Look, count: int) -> Array | None:
    """The points [count, 2] that a result was computed at, where the only input holds such."""
    arrays = list(look.inputs.values())
    return arrays[0] if len(arrays) == 1 and arrays[0].shape == (count, 2) and count > 1 else None


def _input_images(look: Look, count: int) -> Array | None:
    """The images [count, channels, height, width] that a result was computed from, where the only input holds such.

    A row of a square number of values is taken for an image, too.
    """
    arrays = [a for a in look.inputs.values() if a.ndim > 1 and len(a) == count]
    if len(arrays) != 1:
        return None
    (array,) = arrays
    side = math.isqrt(array.shape[-1])
    if array.ndim == 2 and side**2 == array.shape[-1] >= MIN_FLAT_IMAGE:
        return array.reshape(count, 1, side, side)
    return as_images(array)


# -------------------------------------------------------------------- points


def _points(plt: Pyplot, batch: Array, labels: Array | None) -> Figure:
    """Points of the plane [n, 2], in the colours of their labels [n], where they have a few."""
    figure, axes = plt.subplots(figsize=(5, 5))
    size = float(np.clip(4000 / len(batch), 1.5, 30))
    if labels is not None and 1 < len(np.unique(labels)) <= MAX_KINDS:
        draw_kinds(axes, batch, labels, size)
    else:
        axes.scatter(batch[:, 0], batch[:, 1], s=size, c=INK, alpha=0.55, linewidths=0)
    style_plane(axes, batch)
    return figure


def _path(plt: Pyplot, batch: Array, look: Look) -> Figure:
    """A path [batch, steps + 1, ...]: of points, of several points of the first example, of images, or of numbers."""
    if batch.ndim == 4 and batch.shape[-1] == 2:
        return _paths(plt, batch[0].swapaxes(0, 1))
    if batch.ndim == 3 and batch.shape[-1] == 2:
        return _paths(plt, batch)
    if as_images(batch[:, 0]) is not None:
        return _film(plt, batch, look)
    return _curves(plt, batch.reshape(*batch.shape[:2], -1))


def _paths(plt: Pyplot, batch: Array) -> Figure:
    """Trajectories [n, steps, 2] as thin lines, their starts grey and their ends coloured."""
    from matplotlib.collections import LineCollection

    figure, axes = plt.subplots(figsize=(5, 5))
    shown = batch[:MAX_PATHS]
    axes.add_collection(LineCollection(list(shown), colors=QUIET, linewidths=0.5, alpha=0.6))
    axes.scatter(shown[:, 0, 0], shown[:, 0, 1], s=5, c=QUIET, linewidths=0, label="start")
    axes.scatter(shown[:, -1, 0], shown[:, -1, 1], s=7, c=ACCENT, linewidths=0, label="end", zorder=3)
    above(axes)
    style_plane(axes, shown)
    return figure


def _film(plt: Pyplot, batch: Array, look: Look) -> Figure:
    """Images [n, steps, ...] as they change, from left to right, a row for each of the first examples."""
    times = np.unique(np.linspace(0, batch.shape[1] - 1, FILM_COLUMNS).round().astype(int))
    shown = batch[:FILM_ROWS, times]
    images = as_images(shown.reshape(-1, *shown.shape[2:]))
    assert images is not None
    layout = Grid(list(np.arange(len(images)).reshape(len(shown), len(times))))
    grid, gap = mosaic(images, layout, look.span or _span(shown[:, -1]))
    figure, axes = plt.subplots(figsize=(figure_inches(len(times)), figure_inches(len(shown))))
    if look.labels is not None:
        name_rows(figure, axes, [str(label) for label in look.labels[: len(shown)]], images.shape[2], gap)
    axes.imshow(grid.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    return figure


def _curves(plt: Pyplot, batch: Array) -> Figure:
    """Numbers [batch, steps + 1, n] as lines over the steps."""
    figure, axes = plt.subplots(figsize=(5, 3))
    lines = batch.swapaxes(0, 1).reshape(batch.shape[1], -1)[:, :MAX_CURVES]
    axes.plot(lines, color=INK, linewidth=0.8, alpha=0.5)
    axes.set_xlabel("step")
    hide_spines(axes)
    return figure


def _functions(plt: Pyplot, batch: Array) -> Figure:
    """Numbers along an axis [batch, n], such as a function's on a grid, as lines."""
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.plot(batch[:MAX_CURVES].T, color=INK, linewidth=0.9, alpha=0.6)
    axes.set_xlabel("place")
    hide_spines(axes)
    return figure


# -------------------------------------------------------------------- images and numbers


def _span(batch: Array) -> tuple[float, float]:
    """The numbers that become black and white: those of images [n, channels, height, width], or all of matrices [n, rows, columns]."""
    return image_span(batch) if batch.ndim == 4 else (float(batch.min()), float(batch.max()))


def _bars(plt: Pyplot, batch: Array, images: Array | None, names: Sequence[str]) -> Figure:
    """Probabilities [n, classes] as bars, a panel for each example, below its image where it was computed from one."""
    shown = batch[:MAX_BARS]
    names = names or [str(k) for k in range(batch.shape[1])]
    columns = min(6 if images is not None else 4, len(shown))
    rows = math.ceil(len(shown) / columns)
    heights = [1.6] if images is None else [1.1, 0.5]
    width = 2.2 if images is None else 1.15
    if len(shown) == 1:
        width = 5.0
    longest = max(map(len, names)) * SMALL_LETTER_INCHES
    upright = longest > 0.9 * width / len(names)
    heights[-1] += longest if upright else 0
    size = (5.0, 3.0) if len(shown) == 1 else (width * columns, rows * sum(heights) + 0.3)
    figure, axes = plt.subplots(
        rows * len(heights), columns, figsize=size, squeeze=False, height_ratios=heights * rows, layout="constrained"
    )
    for panel in axes.flat:
        panel.axis("off")
    for place, row in enumerate(shown):
        row_of_panels, column = divmod(place, columns)
        if images is not None:
            top = axes[row_of_panels * 2, column]
            top.imshow(_pixels(images[place]), cmap="gray", interpolation="nearest")
            top.set_title(f"{names[row.argmax()]}  ({row.max():.0%})", fontsize=8, color=INK, pad=3)
        _bar_panel(axes[row_of_panels * len(heights) + len(heights) - 1, column], row, names, upright)
    return figure


def _pixels(image: Array) -> Array:
    low, high = float(image.min()), float(image.max())
    return ((image - low) / (high - low or 1)).transpose(1, 2, 0).squeeze()


def _bar_panel(panel: Axes, row: Array, names: Sequence[str], upright: bool) -> None:
    panel.axis("on")
    best = int(row.argmax())
    panel.bar(range(len(row)), row, color=[ACCENT if k == best else QUIET for k in range(len(row))])
    panel.set_xticks(range(len(row)), names, fontsize=6, rotation=90 if upright else 0)
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    panel.tick_params(length=0)
    hide_spines(panel, "left")


def _histogram(plt: Pyplot, batch: Array) -> Figure:
    figure, axes = plt.subplots(figsize=(5, 3))
    _histogram_panel(axes, batch)
    return figure


def _histograms(plt: Pyplot, batch: Array) -> Figure:
    """Numbers [batch, n], each of n in a panel with a scale of its own."""
    columns = min(4, batch.shape[1])
    rows = math.ceil(batch.shape[1] / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.4 * columns, 1.7 * rows), squeeze=False, layout="constrained")
    for i, panel in enumerate(axes.flat):
        if i < batch.shape[1]:
            _histogram_panel(panel, batch[:, i])
            panel.set_title(f"[{i}]", fontsize=8)
        else:
            panel.axis("off")
    return figure


def _histogram_panel(panel: Axes, numbers: Array) -> None:
    finite = numbers[np.isfinite(numbers)]
    panel.hist(finite, bins=min(60, max(5, finite.size // 10)), color=QUIET, edgecolor="white", linewidth=0.3)
    hide_spines(panel)
