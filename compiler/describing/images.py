"""A folder of images, described: how many, of which sizes and kinds, and its classes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mai.compiler.data.sources.images import Images
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
    def label_of(self) -> dict[Path, str]:
        """The class of each image, where there are classes."""
        return {file: file.parent.name for file in self.files} if self.classes else {}


def image_files(folder: Path) -> tuple[tuple[Path, ...], bool]:
    """The images of a folder, or of its subfolders, in order; and whether these are classes. Raises `MaiError` for none."""
    files = tuple(Images.of({"path": str(folder)}).find(Path(), [folder]))
    return files, files[0].parent != folder


def summarise_images(folder: Path) -> ImagesSummary:
    """What the first bytes of every image say. Raises `MaiError` where there is none."""
    from PIL import Image

    from mai.compiler.data.files.pictures import UNDECODED, upright_size

    files, are_classes = image_files(folder)
    sizes, modes, damaged = Counter[tuple[int, int]](), Counter[str](), []
    for file in files:
        try:
            with Image.open(file) as image:
                sizes[upright_size(image)] += 1
                modes[image.mode] += 1
        except UNDECODED:
            damaged.append(file)
    classes = Counter(file.parent.name for file in files) if are_classes else {}
    return ImagesSummary(
        folder, files, tuple(classes.items()), tuple(sizes.most_common()), tuple(modes.most_common()), tuple(damaged)
    )
