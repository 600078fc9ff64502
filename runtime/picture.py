"""Pictures of results: what suits their shape."""

from __future__ import annotations

import math
from typing import Any, BinaryIO

import numpy as np

from mai.runtime.errors import ModelError
from mai.runtime.manifest import Port

Array = np.ndarray[Any, Any]
INK, ACCENT, QUIET = "#20304a", "#d1495b", "#9fb3c8"
MAX_PATHS = 400
MAX_IMAGES = 400
MAX_BARS = 12


def draw(
    result: Array, port: Port, file: BinaryIO, ending: str, *, title: str = "", labels: Array | None = None
) -> None:
    """Draw a result [batch, ...] to an open file: points, paths, images, class bars or a histogram, by its shape."""
    try:
        import matplotlib
    except ImportError as error:
        raise ModelError("out-unknown", "pictures need matplotlib", "pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    batch = result if port.batch else result[None]
    with plt.rc_context({"font.size": 9, "axes.edgecolor": QUIET, "axes.titlecolor": INK, "figure.dpi": 150}):
        figure = _suiting(plt, batch, port, labels)
        if title and len(figure.axes) == 1:
            figure.axes[0].set_title(title, fontsize=10, pad=10)
        elif title:
            figure.suptitle(title, color=INK, fontsize=10)
        figure.savefig(file, format=ending, bbox_inches="tight", facecolor="white")
        plt.close(figure)


def _suiting(plt: Any, batch: Array, port: Port, labels: Array | None) -> Any:
    shape = batch.shape[1:]
    if len(shape) == 3 and shape[0] in (1, 3):
        return _images(plt, batch, labels)
    if len(shape) == 3 and shape[-1] == 2:
        return _paths(plt, batch[0].swapaxes(0, 1))
    if len(shape) == 2 and shape[-1] == 2:
        return _paths(plt, batch)
    if len(shape) == 2:
        return _images(plt, batch[:, None], labels)
    if shape == (2,) and not _is_probability(batch):
        return _points(plt, batch)
    if len(shape) == 1 and _is_probability(batch):
        return _bars(plt, batch)
    return _histogram(plt, batch)


def _is_probability(batch: Array) -> bool:
    return bool((batch >= -1e-6).all() and np.allclose(batch.sum(-1), 1, atol=1e-3))


def _points(plt: Any, batch: Array) -> Any:
    figure, axes = plt.subplots(figsize=(5, 5))
    size = float(np.clip(4000 / len(batch), 1.5, 30))
    axes.scatter(batch[:, 0], batch[:, 1], s=size, c=INK, alpha=0.55, linewidths=0)
    _plane(axes)
    return figure


def _paths(plt: Any, batch: Array) -> Any:
    """Trajectories [n, steps, 2]: thin lines, where they begin in grey, where they end in colour."""
    from matplotlib.collections import LineCollection

    figure, axes = plt.subplots(figsize=(5, 5))
    shown = batch[:MAX_PATHS]
    axes.add_collection(LineCollection(list(shown), colors=QUIET, linewidths=0.5, alpha=0.6))
    axes.scatter(shown[:, 0, 0], shown[:, 0, 1], s=5, c=QUIET, linewidths=0, label="start")
    axes.scatter(shown[:, -1, 0], shown[:, -1, 1], s=7, c=ACCENT, linewidths=0, label="end", zorder=3)
    axes.legend(frameon=False, loc="upper right", fontsize=8)
    _plane(axes)
    return figure


def _plane(axes: Any) -> None:
    axes.set_aspect("equal")
    axes.margins(0.05)
    axes.tick_params(colors=INK, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _images(plt: Any, batch: Array, labels: Array | None) -> Any:
    """A grid of images [n, channels, height, width], scaled together; where there are labels, a row a label."""
    shown = batch[:MAX_IMAGES]
    rows = _rows(len(shown), labels)
    columns = max(len(places) for _, places in rows)
    channels, height, width = shown.shape[1:]
    gap = max(1, height // 8)
    low, high = float(shown.min()), float(shown.max())
    scaled = np.clip((shown - low) / (high - low or 1), 0, 1).transpose(0, 2, 3, 1)
    grid = np.ones((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, channels))
    figure, axes = plt.subplots(figsize=(_inches(columns), _inches(len(rows))))
    for i, (label, places) in enumerate(rows):
        y = i * (height + gap)
        axes.text(-1.5 * gap, y + height / 2, label, ha="right", va="center", color=INK, fontsize=8)
        for j, place in enumerate(places):
            x = j * (width + gap)
            grid[y : y + height, x : x + width] = scaled[place]
    axes.imshow(grid.squeeze(-1) if channels == 1 else grid, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    return figure


def _inches(images: int) -> float:
    return min(10, max(2.5, 0.6 * images + 1))


def _rows(count: int, labels: Array | None) -> list[tuple[str, Array]]:
    """The rows of a grid, as label and places: a row a label, or a square where that would be a long strip."""
    side = math.ceil(math.sqrt(count))
    order = np.arange(count) if labels is None else np.argsort(labels[:count], kind="stable")
    if labels is not None:
        kinds, starts = np.unique(labels[order], return_index=True)
        rows = np.split(order, starts[1:])
        if max(map(len, rows)) <= 2 * side:
            return [(str(kind), row) for kind, row in zip(kinds, rows, strict=True)]
    return [("", row) for row in np.split(order, range(side, count, side))]


def _bars(plt: Any, batch: Array) -> Any:
    """The probabilities of the classes, a small panel an example."""
    shown = batch[:MAX_BARS]
    columns = min(4, len(shown))
    rows = math.ceil(len(shown) / columns)
    size = (5.0, 3.0) if len(shown) == 1 else (2.2 * columns, 1.6 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=True)
    for panel in axes.flat:
        panel.axis("off")
    for panel, row in zip(axes.flat, shown, strict=False):
        panel.axis("on")
        best = int(row.argmax())
        panel.bar(range(len(row)), row, color=[ACCENT if k == best else QUIET for k in range(len(row))])
        panel.set_xticks(range(len(row)), [str(k) for k in range(len(row))], fontsize=6)
        panel.set_ylim(0, 1)
        panel.tick_params(length=0)
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
    figure.tight_layout()
    return figure


def _histogram(plt: Any, batch: Array) -> Any:
    figure, axes = plt.subplots(figsize=(5, 3))
    axes.hist(batch.reshape(-1), bins=min(60, max(5, batch.size // 10)), color=QUIET, edgecolor="white", linewidth=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
