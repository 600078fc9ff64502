"""A folder of images, described: how many, of which sizes and kinds, and its classes."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low

from mai.compiler.data.fields import bad
from mai.compiler.data.sources.images import Images
from mai.runtime.inputs.cells import few_of
from mai.spec.record import record

COLOURS = {"L": "grey", "LA": "grey with transparency", "1": "black and white", "RGB": "colour", "P": "colour by a palette",
           "RGBA": "colour with transparency", "I;16": "grey of 16 bits", "I": "grey of 16 bits", "F": "real numbers"}  # fmt: skip
GREY = ("L", "LA", "La", "1", "I;16", "I")


@record
class ImagesSummary:
    """The images of a folder: `classes` by the names of subfolders, none where there are no subfolders.

    `sizes` are (width, height) as training reads them, upright, `modes` Pillow's, each with how many images have it; `damaged` are those that cannot be read.
    """

    folder: Path
    files: tuple[Path, ...]
    classes: tuple[tuple[str, int], ...]
    sizes: tuple[tuple[tuple[int, int], int], ...]
    modes: tuple[tuple[str, int], ...]
    damaged: tuple[Path, ...]

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

    @property
    def label_of(self) -> dict[Path, str]:
        """The class of each image, where there are classes."""
        return {file: file.parent.name for file in self.files} if self.classes else {}


def image_files(folder: Path) -> tuple[tuple[Path, ...], bool]:
    """The images of a folder, or of its subfolders, in order; and whether these are classes. Raises `MaiError` for none."""
    files = tuple(Images.of({"path": str(folder)}).find(Path(), [folder]))
    return files, files[0].parent != folder


def summarise_images(folder: Path) -> ImagesSummary:
    """What every image is, decoded once, since a file that was cut begins as a whole one does. Raises `MaiError` where there is none."""
    files, are_classes = image_files(folder)
    sizes, modes, damaged = Counter[tuple[int, int]](), Counter[str](), []
    with ThreadPoolExecutor() as threads:  # Pillow decodes beside Python.
        for file, looks in zip(files, threads.map(_looks, files), strict=True):
            if looks is None:
                damaged.append(file)
            else:
                sizes[looks[0]] += 1
                modes[looks[1]] += 1
    if not sizes:
        raise bad(f"no image of {folder} can be read: {few_of([str(file) for file in damaged])}")
    classes = Counter(file.parent.name for file in files) if are_classes else {}
    return ImagesSummary(
        folder, files, tuple(classes.items()), tuple(sizes.most_common()), tuple(modes.most_common()), tuple(damaged)
    )


def _looks(file: Path) -> tuple[tuple[int, int], str] | None:
    """The size and the mode of an image; None where it cannot be read to its end."""
    from PIL import Image

    from mai.compiler.data.files.pictures import UNDECODED, upright_size

    try:
        with Image.open(file) as image:
            looks = upright_size(image), image.mode
            image.draft("L", (1, 1))  # A jpeg is read to its end all the same, and made an eighth as large on the way.
            image.load()
    except UNDECODED:
        return None
    return looks
