"""Paths as moving pictures: a `.gif` of points, tokens, images or numbers along the steps of a solver."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    as_images,
    bare,
    by_angle,
    diverging,
    fitting_height,
    hold_still,
    mosaic,
    plotting,
    reach_of,
    rows_of,
    show_mosaic,
)

Draw = Callable[[int], None]  # Draws one time of all that there are, by its place.
MAX_FRAMES, MAX_PARTICLES, MAX_MOVING_IMAGES = 48, 400, 100
FRAME_MS, FIRST_MS, LAST_MS = 60, 500, 1600
COLOURS, DPI, NEARLY_WHITE = 64, 88, 246


@dataclass(frozen=True)
class Motion:
    """Something that moves: `values` [times, n, ...]; `steps` names the times, `hues` [times, n] are numbers to colour by."""

    values: Array
    steps: Sequence[int]
    hues: Array | None = None
    hue_name: str = ""
    labels: Array | None = None
    chosen: Array = field(init=False)

    def __post_init__(self) -> None:
        times = np.linspace(0, len(self.values) - 1, min(MAX_FRAMES, len(self.values)))
        object.__setattr__(self, "chosen", np.unique(times.round().astype(int)))


def check_moves(port: Port) -> None:
    """Raises `ModelError` where an output is no path: better before a long run than after it."""
    if port.path is None:
        help = (
            "return what `keep x as xs` keeps in an `integrate`, or write a .png; older files are to be compiled again"
        )
        raise ModelError("not-a-path", f"`{port.name}` is no path: nothing moves in it", help)


def motion_of(result: Array, port: Port, labels: Array | None = None) -> Motion:
    """The motion in a result [batch, ...], or [...] where it is one for all examples.

    Of examples that each hold several points, the tokens of a text say, the first moves.

    Raises:
        ModelError: the result holds no path.
    """
    check_moves(port)
    assert port.path is not None
    values = np.moveaxis(result if port.batch else result[None], 1 + port.path, 0)
    if values.ndim == 4 and values.shape[-1] == 2:
        values, labels = values[:, 0], None
    return Motion(values, range(len(values)), labels=labels)


def animate(motion: Motion, path: Path, *, title: str = "") -> None:
    """Draw a motion to a looping `.gif` of at most 48 frames, with fixed axes and a pause at its end."""
    with plotting() as plt:
        figure, draw = _scene(plt, motion)
        figure.set_dpi(DPI)
        if title:
            figure.suptitle(title, color=INK, fontsize=9)
        note = figure.axes[0].text(1, 1.01, "", transform=figure.axes[0].transAxes, ha="right", color=INK, fontsize=7)
        pixels = []
        for time in motion.chosen:
            draw(int(time))
            note.set_text(f"step {motion.steps[time]:,} of {motion.steps[-1]:,}")
            figure.canvas.draw()
            pixels.append(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    write_gif(pixels, path)


def write_gif(frames: Sequence[Array], path: Path) -> None:
    """Frames [height, width, 3] of bytes as a looping file; one palette for all keeps it small and steady."""
    from PIL import Image

    seen = np.concatenate([frames[0], frames[len(frames) // 2], frames[-1]])
    palette = Image.fromarray(seen).quantize(COLOURS, dither=Image.Dither.NONE)
    palette.putpalette(_with_white(palette.getpalette() or []))
    images = [Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    lasting = [FRAME_MS] * len(images)
    lasting[0], lasting[-1] = FIRST_MS, LAST_MS
    file, more = io.BytesIO(), images[1:]
    images[0].save(file, "GIF", save_all=True, append_images=more, duration=lasting, loop=0, optimize=True)
    write_atomically(path, file.getvalue())


def _with_white(palette: list[int]) -> list[int]:
    """A palette whose nearly white colours are white: averaging tints the page, and nearest colours are only nearly so."""
    colours = [palette[i : i + 3] for i in range(0, len(palette), 3)]
    return [value for colour in colours for value in ([255] * 3 if min(colour) >= NEARLY_WHITE else colour)]


def _scene(plt: Any, motion: Motion) -> tuple[Any, Draw]:
    """A figure, and what draws a time of the motion into it."""
    first = motion.values[0]
    if first.ndim == 2 and first.shape[-1] == 2:
        return _particles(plt, motion)
    if as_images(first) is not None:
        return _images(plt, motion)
    return _numbers(plt, motion)


def _particles(plt: Any, motion: Motion) -> tuple[Any, Draw]:
    """Points of the plane with the trails that they leave, coloured by where they began or by a number of theirs."""
    from matplotlib.collections import LineCollection

    points = motion.values[:, :MAX_PARTICLES] if motion.hues is None else motion.values
    count = points.shape[1]
    figure, axes = plt.subplots(figsize=(4.4 if motion.hues is None else 5.4, 4.4), layout="constrained")
    hold_still(axes, points)
    figure.set_figheight(fitting_height(axes, 4.2) + 0.4)
    trails = axes.add_collection(LineCollection([], linewidths=1.2, alpha=0.4, zorder=1))
    size = float(np.clip(4000 / count, 4, 46))
    dots = axes.scatter(*points[0].T, s=size, linewidths=0, alpha=0.85, zorder=2)
    if motion.hues is None:
        colours = by_angle(points[0])
        dots.set_facecolor(colours)
        trails.set_color(colours)
    else:
        dots.set_array(motion.hues[0])
        colour_by(figure, axes, [dots], motion)
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


def colour_by(figure: Any, axes: Any, dots: Any, motion: Motion) -> None:
    """Signed colours for the numbers of a motion, the same at every time."""
    assert motion.hues is not None
    most = reach_of(motion.hues)
    for held in dots:
        held.set_cmap(diverging())
        held.set_clim(-most, most)
    bar = figure.colorbar(dots[-1], ax=axes, shrink=0.6, pad=0.02, label=motion.hue_name, extend="both")
    bar.outline.set_visible(False)


def _images(plt: Any, motion: Motion) -> tuple[Any, Draw]:
    every = [as_images(frame)[:MAX_MOVING_IMAGES] for frame in motion.values]  # type: ignore[index]
    labels = None if motion.labels is None else motion.labels[: len(every[0])]
    last = every[-1]
    span = float(last.min()), float(last.max())
    figure, pixels = show_mosaic(plt, every[0][:MAX_IMAGES], labels, span)
    rows = rows_of(len(every[0]), labels)

    def draw(time: int) -> None:
        pixels.set_data(mosaic(every[time], rows, span)[0].squeeze())

    return figure, draw


def _numbers(plt: Any, motion: Motion) -> tuple[Any, Draw]:
    """Numbers as a histogram that moves."""
    flat = motion.values.reshape(len(motion.values), -1)
    edges = np.histogram_bin_edges(flat[np.isfinite(flat)], bins=min(60, max(8, flat.shape[1] // 8)))
    heights = np.stack([np.histogram(row, edges)[0] for row in flat])
    figure, axes = plt.subplots(figsize=(5, 3.2))
    axes.stairs(heights[0], edges, fill=True, color=QUIET, alpha=0.5)
    shown = axes.stairs(heights[0], edges, fill=True, color=ACCENT, alpha=0.75)
    axes.set_ylim(0, max(1.0, float(np.percentile(heights.max(1), 90))) * 1.1)
    bare(axes)
    return figure, lambda time: shown.set_data(heights[time], edges)
