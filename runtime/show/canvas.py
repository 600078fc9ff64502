"""What pictures share: colours, a figure in one style, the plane, images side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically

INK, ACCENT, QUIET, TEAL, GOLD = "#20304a", "#d1495b", "#9fb3c8", "#00798c", "#edae49"
MAX_IMAGES = 400
LETTER = 0.07  # Inches that a letter of 8 points is wide, about.


@contextmanager
def plotting() -> Iterator[Any]:
    """pyplot without a screen, in this style; what is drawn inside is forgotten after. Raises `ModelError` without it."""
    try:
        import matplotlib
    except ImportError as error:
        raise ModelError("out-unknown", "pictures need matplotlib", "pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    plt: Any = pyplot
    style: dict[str, Any] = {"font.size": 9, "axes.edgecolor": QUIET, "axes.titlecolor": INK, "figure.dpi": 150}
    style |= dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with plt.rc_context(style):
        yield plt
        plt.close("all")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure whole or not at all; the file's ending says how."""
    file = io.BytesIO()
    figure.savefig(file, format=path.suffix[1:].lower(), bbox_inches="tight", facecolor="white")
    write_atomically(path, file.getvalue())


def plane(axes: Any) -> None:
    """Axes that points of the plane are seen in."""
    axes.set_aspect("equal")
    axes.margins(0.05)
    axes.locator_params(nbins=5)
    axes.tick_params(colors=INK, length=2)
    bare(axes)


def bare(axes: Any, *more: str) -> None:
    for side in ("top", "right", *more):
        axes.spines[side].set_visible(False)


def hold_still(axes: Any, points: Array) -> None:
    """The plane with limits that hold all points [..., 2] there ever are; the circle that they lie on, if they do."""
    plane(axes)
    flat = points.reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(-1)]
    if not len(flat):
        return
    low, high = flat.min(0), flat.max(0)
    if np.allclose(np.linalg.norm(flat, axis=-1), 1, atol=1e-2):
        turn = np.linspace(0, 2 * math.pi, 200)
        axes.plot(np.cos(turn), np.sin(turn), color=QUIET, linewidth=0.6, zorder=0)
        low, high = np.full(2, -1.0), np.full(2, 1.0)
    room = max(float((high - low).max()), 1e-3) * 0.05
    for limit, i in ((axes.set_xlim, 0), (axes.set_ylim, 1)):
        limit(low[i] - room, high[i] + room)


def fitting_height(axes: Any, width: float) -> float:
    """The height of a plane that is `width` inches wide."""
    wide, high = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    return float(np.clip(width * high / wide, 0.6 * width, 1.3 * width))


def by_angle(points: Array) -> Array:
    """A colour for each point [n, 2], by its direction from their middle: where a particle came from is seen later."""
    from matplotlib.colors import LinearSegmentedColormap

    wheel = LinearSegmentedColormap.from_list("wheel", [INK, TEAL, GOLD, ACCENT, INK])
    around = points - points.mean(0)
    made: Array = wheel(np.arctan2(around[:, 1], around[:, 0]) / (2 * math.pi) + 0.5)
    return made


def reach_of(numbers: Array) -> float:
    """How far from zero the colours of signed numbers reach: nearly all of them."""
    sizes = np.abs(numbers[np.isfinite(numbers)])
    return float(np.percentile(sizes, 98)) or 1.0 if sizes.size else 1.0


def diverging() -> Any:
    """Colours of signed numbers: negative, zero, positive."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [ACCENT, "#dcd8d4", TEAL])


def rows_of(count: int, labels: Array | None) -> list[tuple[str, Array]]:
    """The rows of a grid, as label and places: a row a label, or a square where that would be a long strip."""
    side = math.ceil(math.sqrt(count))
    order = np.arange(count) if labels is None else np.argsort(labels[:count], kind="stable")
    if labels is not None:
        kinds, starts = np.unique(labels[order], return_index=True)
        rows = np.split(order, starts[1:])
        if max(map(len, rows)) <= 2 * side:
            return [(str(kind), row) for kind, row in zip(kinds, rows, strict=True)]
    return [("", row) for row in np.split(order, range(side, count, side))]


def mosaic(images: Array, rows: list[tuple[str, Array]], span: tuple[float, float]) -> tuple[Array, int]:
    """Images [n, channels, height, width] in rows, as one [height, width, channels] in 0..1, and the gap between two."""
    channels, height, width = images.shape[1:]
    columns, gap = max(len(places) for _, places in rows), max(1, height // 8)
    low, high = span
    scaled = np.clip((images - low) / (high - low or 1), 0, 1).transpose(0, 2, 3, 1)
    grid = np.ones((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, channels))
    for i, (_, places) in enumerate(rows):
        for j, place in enumerate(places):
            y, x = i * (height + gap), j * (width + gap)
            grid[y : y + height, x : x + width] = scaled[place]
    return grid, gap


def show_mosaic(plt: Any, images: Array, labels: Array | None, span: tuple[float, float]) -> tuple[Any, Any]:
    """A figure of images in rows with their labels, and the artist that holds the pixels."""
    rows = rows_of(len(images), labels)
    grid, gap = mosaic(images, rows, span)
    height, columns = images.shape[2], max(len(places) for _, places in rows)
    figure, axes = plt.subplots(figsize=(inches(columns), inches(len(rows))))
    name_rows(figure, axes, [label for label, _ in rows], height, gap)
    pixels = axes.imshow(grid.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    return figure, pixels


def name_rows(figure: Any, axes: Any, names: Sequence[str], height: int, gap: int) -> None:
    """Names on the left of the rows of a mosaic; the figure becomes as wide as they need."""
    for i, name in enumerate(names):
        axes.text(-1.5 * gap, i * (height + gap) + height / 2, name, ha="right", va="center", color=INK, fontsize=8)
    width, left = figure.get_figwidth(), figure.subplotpars.left
    more = max(0.0, LETTER * (max(map(len, names)) + 1) - left * width)
    figure.set_figwidth(width + more)
    figure.subplots_adjust(left=(left * width + more) / (width + more))


def inches(images: int) -> float:
    return min(10, max(2.5, 0.6 * images + 1))


def as_images(batch: Array) -> Array | None:
    """A batch [n, ...] as images [n, channels, height, width] if that is what its shape is, else None."""
    shape = batch.shape[1:]
    if len(shape) == 3 and shape[0] in (1, 3):
        return batch
    return batch[:, None] if len(shape) == 2 and shape[-1] != 2 else None
