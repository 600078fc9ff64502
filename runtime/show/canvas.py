"""The parts that all pictures share: colours, a figure style, axes for points of the plane, images side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

INK, ACCENT, QUIET, TEAL, GOLD = "#20304a", "#d1495b", "#9fb3c8", "#00798c", "#edae49"
MAX_IMAGES = 400
LETTER_INCHES = 0.07  # About the width of a letter of 8 points.

Row = tuple[str, Array]  # Of a grid of images: its label, and the positions of its images in the batch.


class Pyplot(Protocol):
    """What pictures use of the module `matplotlib.pyplot`."""

    def subplots(self, nrows: int = 1, ncols: int = 1, **options: object) -> tuple[Figure, Any]:
        """A new figure and its axes: one `Axes`, or an array of them."""


@contextmanager
def plotting() -> Iterator[Pyplot]:
    """Give `matplotlib.pyplot`, without a screen and in mai's style; its figures are closed at the end of the block.

    Raises:
        ModelError: `out-unknown`: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ModelError("out-unknown", "pictures need matplotlib", "pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context():
        pyplot.rc("figure", dpi=150)
        pyplot.rc("font", size=9)
        pyplot.rc("text", color=INK)
        pyplot.rc("axes", edgecolor=QUIET, titlecolor=INK, labelcolor=INK)
        pyplot.rc("xtick", color=INK)
        pyplot.rc("ytick", color=INK)
        yield cast(Pyplot, pyplot)
        pyplot.close("all")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the file's ending names; the file is written whole or not at all."""
    file = io.BytesIO()
    figure.savefig(file, format=path.suffix[1:].lower(), bbox_inches="tight", facecolor="white")
    write_atomically(path, file.getvalue())


def style_plane(axes: Axes) -> None:
    """Make axes fit for points of the plane: one unit is as long across as up, few ticks, no frame."""
    axes.set_aspect("equal")
    axes.margins(0.05)
    axes.locator_params(nbins=5)
    axes.tick_params(colors=INK, length=2)
    hide_spines(axes)


def hide_spines(axes: Axes, *more: str) -> None:
    """Hide the top and right lines of the frame around axes, and those of the sides in `more` ("left", "bottom")."""
    for side in ("top", "right", *more):
        axes.spines[side].set_visible(False)


def fix_limits(axes: Axes, points: Array) -> None:
    """Give axes of the plane the limits of all `points` [..., 2], so that they stay the same while points move.

    Where all points lie on the unit circle it is drawn, and the limits are its own.
    """
    style_plane(axes)
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


def fitting_height(axes: Axes, width: float) -> float:
    """The height in inches at which axes `width` inches wide show their limits without distortion, 0.6 to 1.3 widths."""
    wide, high = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    return float(np.clip(width * high / wide, 0.6 * width, 1.3 * width))


def colours_by_angle(points: Array) -> Array:
    """A colour [n, 4] for each point [n, 2], by its direction from their mean, so that later one sees where it started."""
    from matplotlib.colors import LinearSegmentedColormap

    wheel = LinearSegmentedColormap.from_list("wheel", [INK, TEAL, GOLD, ACCENT, INK])
    around = points - points.mean(0)
    return np.asarray(wheel(np.arctan2(around[:, 1], around[:, 0]) / (2 * math.pi) + 0.5))


def colour_limit(numbers: Array) -> float:
    """The size at which the colours of signed numbers end: 98 % of the finite `numbers`, of any shape, are within it."""
    sizes = np.abs(numbers[np.isfinite(numbers)])
    return float(np.percentile(sizes, 98)) or 1.0 if sizes.size else 1.0


def signed_colours() -> LinearSegmentedColormap:
    """The colours of signed numbers: red for negative, grey for zero, teal for positive."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [ACCENT, "#dcd8d4", TEAL])


def rows_of(count: int, labels: Array | None) -> list[Row]:
    """The rows of a grid of `count` images: one for each label, or a square where a row would be a long strip.

    Args:
        labels: a label for each image, [n], n >= count, numbers or names.
    """
    side = math.ceil(math.sqrt(count))
    order = np.arange(count) if labels is None else np.argsort(labels[:count], kind="stable")
    if labels is not None:
        kinds, starts = np.unique(labels[order], return_index=True)
        rows = np.split(order, starts[1:])
        if max(map(len, rows)) <= 2 * side:
            return [(str(kind), row) for kind, row in zip(kinds, rows, strict=True)]
    return [("", row) for row in np.split(order, range(side, count, side))]


def mosaic(images: Array, rows: list[Row], span: tuple[float, float]) -> tuple[Array, int]:
    """Lay images out in rows.

    Args:
        images: [n, channels, height, width].
        span: the values that become black and white.

    Returns:
        One image [height, width, channels] of values from 0 to 1, and the gap between two images in pixels.
    """
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


def show_mosaic(
    plt: Pyplot, images: Array, labels: Array | None, span: tuple[float, float]
) -> tuple[Figure, AxesImage]:
    """A figure of images [n, channels, height, width] in rows with their labels, and the artist that holds its pixels."""
    rows = rows_of(len(images), labels)
    grid, gap = mosaic(images, rows, span)
    height, columns = images.shape[2], max(len(places) for _, places in rows)
    figure, axes = plt.subplots(figsize=(figure_inches(columns), figure_inches(len(rows))))
    name_rows(figure, axes, [label for label, _ in rows], height, gap)
    pixels = axes.imshow(grid.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    return figure, pixels


def name_rows(figure: Figure, axes: Axes, names: Sequence[str], height: int, gap: int) -> None:
    """Write names on the left of the rows of a mosaic, and widen the figure by the room that they need.

    Args:
        height, gap: of a row and between two rows, in pixels.
    """
    for i, name in enumerate(names):
        axes.text(-1.5 * gap, i * (height + gap) + height / 2, name, ha="right", va="center", color=INK, fontsize=8)
    width, left = figure.get_figwidth(), figure.subplotpars.left
    more = max(0.0, LETTER_INCHES * (max(map(len, names)) + 1) - left * width)
    figure.set_figwidth(width + more)
    figure.subplots_adjust(left=(left * width + more) / (width + more))


def figure_inches(images: int) -> float:
    """The width or height in inches of a figure with so many images in a row or column."""
    return min(10, max(2.5, 0.6 * images + 1))


def as_images(batch: Array) -> Array | None:
    """A batch as images [n, channels, height, width], where its shape is that or [n, height, width]; else None."""
    shape = batch.shape[1:]
    if len(shape) == 3 and shape[0] in (1, 3):
        return batch
    return batch[:, None] if len(shape) == 2 and shape[-1] != 2 else None
