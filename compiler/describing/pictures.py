"""Pictures of data: a histogram or bars a column, examples of images, histograms of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mai.compiler.data.files.pictures import Origin, opened
from mai.compiler.describing.arrays import ArraysSummary
from mai.compiler.describing.columns.column import DAY, ColumnSummary
from mai.compiler.describing.columns.numbers import Numbers
from mai.compiler.describing.drawn import DrawnSummary
from mai.compiler.describing.images import ImagesSummary
from mai.compiler.describing.lines import Summary, ascii_or
from mai.compiler.describing.tables import TableSummary
from mai.compiler.describing.texts import TextSummary
from mai.runtime.arrays import Array
from mai.runtime.show.canvas import (
    ACCENT,
    INK,
    QUIET,
    TEAL,
    Pyplot,
    as_images,
    hide_spines,
    image_span,
    plotting,
    save_figure,
    show_mosaic,
    style_plane,
)
from mai.runtime.show.save import check_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS, MOST_BARS, BINS, ACROSS = 60, 12, 40, 4
IMAGES_A_CLASS, MOST_IMAGES = 10, 64
Panel = Callable[["Axes"], None]


def draw(summary: Summary, out: Path) -> None:
    """Write a picture. Raises `ModelError` for an ending that is no picture's."""
    check_picture(out)
    with plotting() as plt:
        save_figure(_figure(summary, plt), out)


@singledispatch
def _figure(summary: Summary, plt: Pyplot) -> Figure:
    raise TypeError(type(summary))


@_figure.register(TableSummary)
def _(summary: TableSummary, plt: Pyplot) -> Figure:
    shown = [each for each in summary.columns if each.kind not in ("empty", "other")][:MOST_PANELS]
    return _panels(plt, [(_title(each), _of_column(each)) for each in shown])


@_figure.register(TextSummary)
def _(summary: TextSummary, plt: Pyplot) -> Figure:
    bars = [(ascii_or(character), count) for character, count in summary.counts[:40]]
    figure, axes = plt.subplots(figsize=(9, 3))
    axes.bar([name for name, _ in bars], [count for _, count in bars], color=TEAL)
    axes.set_title(f"{summary.characters:,} characters", fontsize=9)
    axes.tick_params(axis="x", rotation=90)
    hide_spines(axes)
    return figure


@_figure.register(ArraysSummary)
def _(summary: ArraysSummary, plt: Pyplot) -> Figure:
    shown = [each for each in summary.arrays if each.numbers.count][:MOST_PANELS]
    return _panels(plt, [(f"{each.name} {[*each.shape]}", _histogram(each.numbers)) for each in shown])


@_figure.register(DrawnSummary)
def _(summary: DrawnSummary, plt: Pyplot) -> Figure:
    """Points of the plane in the colours of their labels, images by theirs; of other arrays histograms."""
    arrays = [each.examples for each in summary.arrays.arrays]
    labels = next((each for each in arrays if each.dtype.kind in "iu" and each.ndim == 1), None)
    points = next((each for each in arrays if each.shape[-1:] == (2,) and each.dtype.kind == "f"), None)
    if points is not None:
        return _plane(plt, points, labels)
    pixels = next((image for each in arrays if each.dtype.kind == "f" and (image := as_images(each)) is not None), None)
    if pixels is not None:
        shown = pixels[:MOST_IMAGES]
        names = None if labels is None else labels[:MOST_IMAGES].astype(str)
        return show_mosaic(plt, shown, names, image_span(shown))[0]
    return _figure(summary.arrays, plt)


def _plane(plt: Pyplot, points: Array, labels: Array | None) -> Figure:
    """Points [..., 2]; a cloud is one example, of which the first is shown."""
    points = points if points.ndim == 2 else points[0].reshape(-1, 2)
    figure, axes = plt.subplots(figsize=(4, 4))
    of_labels = labels is not None and len(labels) == len(points)
    colours = {"c": labels, "cmap": "tab10", "vmin": 0, "vmax": 9} if of_labels else {"color": TEAL}
    axes.scatter(points[:, 0], points[:, 1], s=4, linewidths=0, **colours)
    style_plane(axes, points)
    return figure


@_figure.register(ImagesSummary)
def _(summary: ImagesSummary, plt: Pyplot) -> Figure:
    """Some images, those of one class in one row, at one size."""
    from PIL import ImageOps

    labels = dict(zip(summary.files, summary.labels, strict=bool(summary.labels)))
    files: list[Origin] = []
    for name in dict.fromkeys(labels.values()) or [""]:
        own = [file for file in summary.files if labels.get(file, "") == name and file not in summary.damaged]
        files += (
            own[:: max(1, len(own) // IMAGES_A_CLASS)][:IMAGES_A_CLASS]
            if labels
            else own[:: max(1, len(own) // MOST_IMAGES)]
        )
    files = files[: MOST_IMAGES * 4]
    size, pixels = summary.size, []
    for file in files:
        with opened(file) as image:
            upright = ImageOps.exif_transpose(image)
            shown = upright.convert("L" if summary.channels == 1 else "RGB").resize(size)
            pixels.append(np.asarray(shown, np.float32).reshape(size[1], size[0], -1).transpose(2, 0, 1))
    names = np.array([labels[file] for file in files]) if labels else None
    return show_mosaic(plt, np.stack(pixels), names, (0.0, 255.0))[0]


def _panels(plt: Pyplot, panels: Sequence[tuple[str, Panel]]) -> Figure:
    """Panels side by side, each with its title."""
    across = min(ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    figure, grid = plt.subplots(down, across, figsize=(2.6 * across, 1.9 * down), squeeze=False, layout="constrained")
    for axes, (title, panel) in zip(grid.flat, panels, strict=False):
        panel(axes)
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=6, length=2)
        hide_spines(axes)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    return figure


def _title(column: ColumnSummary) -> str:
    missing = f", {column.missing:,} missing" if column.missing else ""
    return f"{column.name[:28]}{missing}"


def _of_column(column: ColumnSummary) -> Panel:
    if column.numbers is None or (column.kind == "whole" and 0 < len(column.counts) <= MOST_BARS):
        return _bars(column)
    return _histogram(column.numbers, column.kind == "date")


def _bars(column: ColumnSummary) -> Panel:
    if column.is_identifier or not column.counts:
        return lambda axes: _say(axes, "nearly all values differ")
    shown = [*column.counts[:MOST_BARS]]
    rest = sum(count for _, count in column.counts[MOST_BARS:])
    bars = [(word[:18], count) for word, count in (sorted(shown, key=_as_number) if column.kind == "whole" else shown)]
    bars += [(f"{len(column.counts) - MOST_BARS} others", rest)] if rest else []

    def panel(axes: Axes) -> None:
        places = range(len(bars))
        axes.barh(places, [count for _, count in bars], color=[*[TEAL] * len(shown), *[QUIET] * bool(rest)])
        axes.set_yticks(places, [word for word, _ in bars])
        axes.invert_yaxis()

    return panel


def _as_number(value: tuple[str, int]) -> float:
    return float(value[0])


def _histogram(numbers: Numbers, are_dates: bool = False) -> Panel:
    def panel(axes: Axes) -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        sample = (numbers.sample * (DAY / 1e6)).astype("datetime64[s]") if are_dates else numbers.sample
        axes.hist(sample, bins=min(BINS, max(5, int(math.sqrt(len(sample))))), color=TEAL)
        axes.locator_params(axis="y", nbins=4)
        if are_dates:
            few: Any = AutoDateLocator(maxticks=5)  # type: ignore[no-untyped-call]
            axes.xaxis.set_major_locator(few)
            axes.xaxis.set_major_formatter(ConciseDateFormatter(few))  # type: ignore[no-untyped-call]
        else:
            axes.axvline(numbers.quantile(0.5), color=ACCENT, linewidth=1)
            axes.locator_params(axis="x", nbins=5)

    return panel


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=7, color=INK, transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])
