"""The parts that all pictures share: colours, a figure style, axes for points of the plane, images side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

INK, ACCENT, QUIET, TEAL, GOLD = "#20304a", "#d1495b", "#9fb3c8", "#00798c", "#edae49"
MAX_IMAGES = 400
LETTER_INCHES = 0.07  # About the width of a letter of 8 points.
ONE_UNIT = 5  # Two coordinates of which one has so many times the range of the other are of one unit; beyond, of two.
BRIGHTEST = 1.2  # Images of -1 to 1, or of 0 to 1, that a model made are beyond these by a little.
BYTE = 255.0
NO_IMAGE = -1


@dataclass(frozen=True)
class Grid:
    """How images lie side by side.

    Attributes:
        rows: the positions of the images of each row in the batch; `NO_IMAGE` leaves a place empty.
        left: the names of the rows; none where they have none.
        below: the names of the columns; none where they have none.
    """

    rows: Sequence[Array]
    left: Sequence[str] = ()
    below: Sequence[str] = ()

    @property
    def columns(self) -> int:
        """The number of images in the longest row."""
        return max(map(len, self.rows))


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


def style_plane(axes: Axes, points: Array) -> None:
    """Make axes fit for `points` of the plane, [..., 2]: few ticks, no frame, one unit as long across as up where both are of one unit."""
    axes.set_aspect("equal" if _are_of_one_unit(points) else "auto")
    axes.margins(0.05)
    axes.locator_params(nbins=5)
    axes.tick_params(colors=INK, length=2)
    hide_spines(axes)


def _are_of_one_unit(points: Array) -> bool:
    """Whether both coordinates have ranges of one size, as those of a plane; an age and a wage have not."""
    flat = points.reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(-1)]
    if not len(flat):
        return True
    low, high = sorted(np.ptp(flat, axis=0).tolist())
    return bool(low == 0 or high <= ONE_UNIT * low)


def above(axes: Axes) -> None:
    """The legend above axes, on the right, where it hides nothing of them; in the one beside them, if they have one."""
    earlier = axes.get_legend()
    if earlier is not None:
        beside(axes, [*filter(None, earlier.legend_handles), *axes.get_legend_handles_labels()[0]])
        return
    axes.legend(
        frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, fontsize=8, borderpad=0, handletextpad=0.3
    )


def beside(axes: Axes, handles: Sequence[Artist] | None = None) -> None:
    """The legend on the right of axes, of what is drawn in them or of `handles`."""
    axes.legend(handles=handles, frameon=False, loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)


def hide_spines(axes: Axes, *more: str) -> None:
    """Hide the top and right lines of the frame around axes, and those of the sides in `more` ("left", "bottom")."""
    for side in ("top", "right", *more):
        axes.spines[side].set_visible(False)


def fix_limits(axes: Axes, points: Array) -> None:
    """Give axes of the plane the limits of all `points` [..., 2], so that they stay the same while points move.

    Where all points lie on the unit circle it is drawn, and the limits are its own.
    """
    style_plane(axes, points)
    flat = points.reshape(-1, 2)
    flat = flat[np.isfinite(flat).all(-1)]
    if not len(flat):
        return
    low, high = flat.min(0).astype(float), flat.max(0).astype(float)
    if np.allclose(np.linalg.norm(flat, axis=-1), 1, atol=1e-2):
        turn = np.linspace(0, 2 * math.pi, 200)
        axes.plot(np.cos(turn), np.sin(turn), color=QUIET, linewidth=0.6, zorder=0)
        low, high = np.full(2, -1.0), np.full(2, 1.0)
    ranges = high - low if axes.get_aspect() == "auto" else np.full(2, (high - low).max())
    room = np.maximum(ranges, 1e-3) * 0.05
    for limit, i in ((axes.set_xlim, 0), (axes.set_ylim, 1)):
        limit(low[i] - room[i], high[i] + room[i])


def fitting_height(axes: Axes, width: float) -> float:
    """The height in inches at which axes `width` inches wide show their limits without distortion, 0.6 to 1.3 widths.

    Axes whose coordinates are of two units have no distortion: they are as high as wide.
    """
    if axes.get_aspect() == "auto":
        return width
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


def grid_of(count: int, labels: Array | None) -> Grid:
    """How `count` images lie side by side: a column or a row for each label, or a square where that would be a long strip.

    Args:
        labels: a label for each image, [n], n >= count, numbers or names.
    """
    side = math.ceil(math.sqrt(count))
    order = np.arange(count) if labels is None else np.argsort(labels[:count], kind="stable")
    if labels is not None:
        kinds, starts = np.unique(labels[order], return_index=True)
        names, groups = [str(kind) for kind in kinds], np.split(order, starts[1:])
        most = max(map(len, groups))
        if most <= len(groups) <= 2 * side * side and max(map(len, names)) * LETTER_INCHES < figure_inches(
            len(names)
        ) / len(names):
            columns = np.full((len(groups), most), NO_IMAGE)
            for column, group in zip(columns, groups, strict=True):
                column[: len(group)] = group
            return Grid(list(columns.T), below=names)
        if most <= 2 * side:
            return Grid(groups, left=names)
    return Grid(np.split(order, range(side, count, side)))


def image_span(images: Array) -> tuple[float, float]:
    """The numbers that become black and white: of the range that images [n, channels, height, width] live in, 0 to 1, -1 to 1 or 0 to 255.

    It is their own range where they are beyond these: an image that is dark among such stays dark. A model's images may be beyond
    theirs by a little.
    """
    finite = images[np.isfinite(images)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.quantile(finite, [0.001, 0.999]).tolist()
    beyond = BRIGHTEST - 1
    if low >= -beyond and high <= 1 + beyond:
        return 0.0, 1.0
    if low >= -1 - beyond and high <= 1 + beyond:
        return -1.0, 1.0
    is_whole = images.dtype.kind in "iu" and low >= 0 and high <= BYTE
    is_byte = low >= -beyond * BYTE and BYTE / 2 < high <= (1 + beyond) * BYTE
    return (0.0, BYTE) if is_whole or is_byte else (float(finite.min()), float(finite.max()))


def mosaic(images: Array, layout: Grid, span: tuple[float, float]) -> tuple[Array, int]:
    """Lay images out side by side.

    Args:
        images: [n, channels, height, width].
        span: the values that become black and white.

    Returns:
        One image [height, width, channels] of values from 0 to 1, and the gap between two images in pixels.
    """
    channels, height, width = images.shape[1:]
    gap = max(1, height // 8)
    low, high = span
    scaled = np.clip((images - low) / (high - low or 1), 0, 1).transpose(0, 2, 3, 1)
    grid = np.ones((len(layout.rows) * (height + gap) - gap, layout.columns * (width + gap) - gap, channels))
    for i, places in enumerate(layout.rows):
        for j, place in enumerate(places):
            y, x = i * (height + gap), j * (width + gap)
            if place != NO_IMAGE:
                grid[y : y + height, x : x + width] = scaled[place]
    return grid, gap


def show_mosaic(
    plt: Pyplot, images: Array, labels: Array | None, span: tuple[float, float]
) -> tuple[Figure, AxesImage]:
    """A figure of images [n, channels, height, width] in rows or columns by their labels, and the artist that holds its pixels."""
    layout = grid_of(len(images), labels)
    grid, gap = mosaic(images, layout, span)
    height, width = images.shape[2:]
    figure, axes = plt.subplots(figsize=(figure_inches(layout.columns), figure_inches(len(layout.rows))))
    name_rows(figure, axes, layout.left, height, gap)
    for j, name in enumerate(layout.below):
        axes.text(j * (width + gap) + width / 2, len(grid) + gap, name, ha="center", va="top", color=INK, fontsize=8)
    pixels = axes.imshow(grid.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axis("off")
    return figure, pixels


def name_rows(figure: Figure, axes: Axes, names: Sequence[str], height: int, gap: int) -> None:
    """Write names on the left of the rows of a mosaic, and widen the figure by the room that they need.

    Args:
        height, gap: of a row and between two rows, in pixels.
    """
    if not names:
        return
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
