"""Moving pictures: a `.gif` of points, tokens, images or numbers along the steps of a solver or of training."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically
from mai.runtime.model.manifest import Port
from mai.runtime.show.canvas import (
    ACCENT,
    INK,
    MAX_IMAGES,
    QUIET,
    Pyplot,
    as_images,
    colour_limit,
    colours_by_angle,
    fitting_height,
    fix_limits,
    grid_of,
    hide_spines,
    image_span,
    mosaic,
    plotting,
    show_mosaic,
    signed_colours,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

Draw = Callable[[int], None]  # Draws the state at one of the times, by its index.
MAX_FRAMES, MAX_PARTICLES, MAX_MOVING_IMAGES = 48, 400, 100
FRAME_MS, FIRST_MS, LAST_MS = 60, 500, 1600
COLOURS, DPI, NEARLY_WHITE = 64, 88, 246  # Of a `.gif`; a colour whose channels are all above the last is white.


@dataclass(frozen=True)
class Motion:
    """Something that moves.

    Attributes:
        values: [times, n, ...].
        steps: what each time is called, [times].
        hues: numbers that colour each of n, [times, n], called `hue_name`.
        labels: a label for each of n, by which images are ordered in rows.
        frames: the indices of the times that are drawn, at most 48 of them.
    """

    values: Array
    steps: Sequence[int]
    hues: Array | None = None
    hue_name: str = ""
    labels: Array | None = None
    frames: Array = field(init=False)

    def __post_init__(self) -> None:
        times = np.linspace(0, len(self.values) - 1, min(MAX_FRAMES, len(self.values)))
        object.__setattr__(self, "frames", np.unique(times.round().astype(int)))


def check_is_path(port: Port) -> None:
    """Check, before a long run, that an output is a path, which is what moves.

    Raises:
        ModelError: `not-a-path`: it has no path axis.
    """
    if port.path is None:
        help = (
            "return what `keep x as xs` keeps in an `integrate`, or write a .png; older files are to be compiled again"
        )
        raise ModelError("not-a-path", f"`{port.name}` is no path: nothing moves in it", help)


def motion_of(result: Array, port: Port, labels: Array | None = None) -> Motion:
    """The motion in a result, [batch, ...], or [...] where it is one for all examples.

    Of examples that each hold several points, as the tokens of a text, the first alone is shown.

    Raises:
        ModelError: `not-a-path`: the output has no path axis.
    """
    check_is_path(port)
    assert port.path is not None
    values = np.moveaxis(result if port.batch else result[None], 1 + port.path, 0)
    if values.ndim == 4 and values.shape[-1] == 2:
        values, labels = values[:, 0], None
    return Motion(values, range(len(values)), labels=labels)


def animate(motion: Motion, path: Path, *, title: str = "") -> None:
    """Draw a motion to a looping `.gif` of at most 48 frames, with fixed axes and a pause at its end.

    Raises:
        ModelError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    with plotting() as plt:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure, draw = _scene(plt, motion)
        figure.set_dpi(DPI)
        if title:
            figure.suptitle(title, color=INK, fontsize=9)
        note = figure.axes[0].text(1, 1.01, "", transform=figure.axes[0].transAxes, ha="right", color=INK, fontsize=7)
        pixels = []
        for time in motion.frames:
            draw(int(time))
            note.set_text(f"step {motion.steps[time]:,} of {motion.steps[-1]:,}")
            assert isinstance(figure.canvas, FigureCanvasAgg)
            figure.canvas.draw()  # type: ignore[no-untyped-call]
            pixels.append(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())  # type: ignore[no-untyped-call]
    write_gif(pixels, path)


def write_gif(frames: Sequence[Array], path: Path) -> None:
    """Write frames, each [height, width, 3] uint8, as a looping `.gif`; one palette for all keeps it small and without flicker.

    Raises:
        OSError: the file cannot be written.
    """
    from PIL import Image

    sample = np.concatenate([frames[0], frames[len(frames) // 2], frames[-1]])
    palette = Image.fromarray(sample).quantize(COLOURS, dither=Image.Dither.NONE)
    palette.putpalette(_with_white(palette.getpalette() or []))
    images = [Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    durations = [FRAME_MS] * len(images)
    durations[0], durations[-1] = FIRST_MS, LAST_MS
    file, more = io.BytesIO(), images[1:]
    images[0].save(file, "GIF", save_all=True, append_images=more, duration=durations, loop=0, optimize=True)
    write_atomically(path, file.getvalue())


def _with_white(palette: list[int]) -> list[int]:
    """The palette with its nearly white colours made white: averaging tints the page around the picture."""
    colours = [palette[i : i + 3] for i in range(0, len(palette), 3)]
    return [value for colour in colours for value in ([255] * 3 if min(colour) >= NEARLY_WHITE else colour)]


def _scene(plt: Pyplot, motion: Motion) -> tuple[Figure, Draw]:
    """A figure, and the function that draws one time of the motion into it."""
    first = motion.values[0]
    if first.ndim == 2 and first.shape[-1] == 2:
        return _particles(plt, motion)
    if as_images(first) is not None:
        return _images(plt, motion)
    return _numbers(plt, motion)


def _particles(plt: Pyplot, motion: Motion) -> tuple[Figure, Draw]:
    """Points of the plane with the trails that they leave, coloured by where they started or by `hues`."""
    from matplotlib.collections import LineCollection

    points = motion.values[:, :MAX_PARTICLES] if motion.hues is None else motion.values
    count = points.shape[1]
    figure, axes = plt.subplots(figsize=(4.4 if motion.hues is None else 5.4, 4.4), layout="constrained")
    fix_limits(axes, points)
    figure.set_figheight(fitting_height(axes, 4.2) + 0.4)
    trails = axes.add_collection(LineCollection([], linewidths=1.2, alpha=0.4, zorder=1))
    size = float(np.clip(4000 / count, 4, 46))
    dots = axes.scatter(*points[0].T, s=size, linewidths=0, alpha=0.85, zorder=2)
    if motion.hues is None:
        colours = colours_by_angle(points[0])
        dots.set_facecolor(colours)
        trails.set_color(colours)
    else:
        dots.set_array(motion.hues[0])
        colour_dots(figure, axes, [dots], motion)
        trails.set_color(QUIET)
    reach = max(1, len(points) // 6)

    def draw(time: int) -> None:
        begin = max(0, time - reach)
        every = max(1, (time - begin) // 12)
        trails.set_segments(list(points[begin : time + 1][::-every][::-1].swapaxes(0, 1)))
        dots.set_offsets(points[time])
        if motion.hues is not None:
            dots.set_array(motion.hues[time])

    return figure, draw


def colour_dots(figure: Figure, axes: Axes | Array, dots: Sequence[PathCollection], motion: Motion) -> None:
    """Give dots the signed colours of a motion's `hues`, the same scale at every time, and draw that scale beside `axes`."""
    assert motion.hues is not None
    limit = colour_limit(motion.hues)
    for collection in dots:
        collection.set_cmap(signed_colours())
        collection.set_clim(-limit, limit)
    bar = figure.colorbar(dots[-1], ax=axes, shrink=0.6, pad=0.02, label=motion.hue_name, extend="both")
    bar.outline.set_visible(False)


def _images(plt: Pyplot, motion: Motion) -> tuple[Figure, Draw]:
    every = [as_images(frame)[:MAX_MOVING_IMAGES] for frame in motion.values]  # type: ignore[index]
    labels = None if motion.labels is None else motion.labels[: len(every[0])]
    last = motion.values[-1]
    span = image_span(last) if last.ndim == 4 else (float(last.min()), float(last.max()))
    figure, pixels = show_mosaic(plt, every[0][:MAX_IMAGES], labels, span)
    layout = grid_of(len(every[0]), labels)

    def draw(time: int) -> None:
        pixels.set_data(mosaic(every[time], layout, span)[0].squeeze())

    return figure, draw


def _numbers(plt: Pyplot, motion: Motion) -> tuple[Figure, Draw]:
    """Numbers as a histogram that moves over that of the first time."""
    flat = motion.values.reshape(len(motion.values), -1)
    edges = np.histogram_bin_edges(flat[np.isfinite(flat)], bins=min(60, max(8, flat.shape[1] // 8)))
    heights = np.stack([np.histogram(row, edges)[0] for row in flat])
    figure, axes = plt.subplots(figsize=(5, 3.2))
    axes.stairs(heights[0], edges, fill=True, color=QUIET, alpha=0.5)
    shown = axes.stairs(heights[0], edges, fill=True, color=ACCENT, alpha=0.75)
    axes.set_ylim(0, max(1.0, float(np.percentile(heights.max(1), 90))) * 1.1)
    hide_spines(axes)
    return figure, lambda time: shown.set_data(heights[time], edges)
