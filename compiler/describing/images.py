"""Images of a folder or of a table, described: how many, of which sizes and kinds, and its classes."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median_low

from mai.compiler.data.fields import bad
from mai.compiler.data.files.pictures import Origin, opened, upright_size
from mai.compiler.data.sources.images import Images
from mai.compiler.data.tables.kinds import is_table
from mai.runtime.inputs.cells import few_of
from mai.spec.diagnostics import MaiError
from mai.spec.record import record

COLOURS = {"L": "grey", "LA": "grey with transparency", "1": "black and white", "RGB": "colour", "P": "colour by a palette",
           "RGBA": "colour with transparency", "I;16": "grey of 16 bits", "I": "grey of 16 bits", "F": "real numbers"}  # fmt: skip
GREY = ("L", "LA", "La", "1", "I;16", "I")


@record
class ImagesSummary:
    """The images of a folder, or of a table: `labels` are the names of their subfolders, or those of a column; none where there are none.

    `place` is that folder or table, `label` what a spec calls the labels, and `settings` what it says of the source beside the path.
    `sizes` are (width, height) as training reads them, upright, `modes` Pillow's, each with how many images have it; `damaged` are those that cannot be read.
    Of a table, `fields` are all that a spec could take beside the image, as it writes them, with their settings; `beside` are those
    that are not the label, `other_labels` those of them that could be it, and `columns` those of images; `tables` lie in the folder, and are not read.
    """

    place: Path
    files: tuple[Origin, ...]
    labels: tuple[str, ...]
    sizes: tuple[tuple[tuple[int, int], int], ...]
    modes: tuple[tuple[str, int], ...]
    damaged: tuple[Origin, ...]
    label: str = "y"
    settings: str = ""
    fields: tuple[str, ...] = ()
    settings_of_fields: str = ""
    beside: tuple[str, ...] = ()
    other_labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    tables: tuple[Path, ...] = ()

    @property
    def classes(self) -> tuple[tuple[str, int], ...]:
        """The different labels, and how many images have each."""
        return tuple(Counter(self.labels).items())

    @property
    def channels(self) -> int:
        """1 where all are grey, else 3."""
        return 1 if all(mode in GREY for mode, _ in self.modes) else 3

    @property
    def size(self) -> tuple[int, int]:
        """The width and height that images are brought to: those of most, or else the middle one of the widths and of the heights."""
        size, count = self.sizes[0]
        total = sum(count for _, count in self.sizes)
        if 2 * count > total:
            return size
        each = [size for size, count in self.sizes for _ in range(count)]
        return median_low(w for w, _ in each), median_low(h for _, h in each)


def summarise_images(folder: Path) -> ImagesSummary:
    """What every image of a folder is. Raises `MaiError` where there is none."""
    files = tuple(Images.of({"path": str(folder)}).find(Path(), [folder]))
    labels = () if files[0].parent == folder else tuple(file.parent.name for file in files)
    return replace(summary_of(folder, files, labels), tables=tuple(sorted(filter(is_table, folder.iterdir()))))


def summary_of(
    place: Path, files: tuple[Origin, ...], labels: tuple[str, ...], label: str = "y", settings: str = ""
) -> ImagesSummary:
    """What every image is, decoded once, since a file that was cut begins as a whole one does. Raises `MaiError` where none can be read."""
    sizes, modes, damaged = Counter[tuple[int, int]](), Counter[str](), list[Origin]()
    with ThreadPoolExecutor() as threads:  # Pillow decodes beside Python.
        for file, looks in zip(files, threads.map(_looks, files), strict=True):
            if looks is None:
                damaged.append(file)
            else:
                sizes[looks[0]] += 1
                modes[looks[1]] += 1
    if not sizes:
        raise bad(f"no image of {place} can be read: {few_of([str(file) for file in damaged])}")
    most = tuple(sizes.most_common()), tuple(modes.most_common())
    return ImagesSummary(place, files, labels, *most, tuple(damaged), label, settings)


def _looks(file: Origin) -> tuple[tuple[int, int], str] | None:
    """The size and the mode of an image; None where it cannot be read to its end."""
    try:
        with opened(file) as image:
            looks = upright_size(image), image.mode
            image.draft("L", (1, 1))  # A jpeg is read to its end all the same, and made an eighth as large on the way.
            image.load()
    except MaiError:
        return None
    return looks
