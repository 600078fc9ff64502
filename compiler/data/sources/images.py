"""A folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.data.fields import bad
from mai.compiler.data.source_kinds import Finite, Reading, Request, Source

if TYPE_CHECKING:
    from PIL.Image import Image

    from mai.runtime.arrays import Array

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}
WHITE_16 = 2**16 - 1


class Images(Source):
    """A folder of images; its subfolders are the labels."""

    name: ClassVar[str] = "images"
    reads_files: ClassVar[bool] = True
    path: str

    @classmethod
    def for_file(cls, path: Path, written: Source) -> Source | None:
        return cls(path=str(path)) if path.is_dir() else None

    def read(self, request: Request) -> Reading:
        """Every image of a folder as [k, H, W] in [-1, 1]; the names of subfolders, if there are any, are the labels."""
        import numpy as np

        from mai.compiler.data.rows import Words

        folder = request.place(self.path)
        if not folder.exists():
            raise bad(f"there is no folder {folder}", "data-missing")
        if not folder.is_dir():
            raise bad(f"{folder} is no folder of images")
        classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")) or [folder]
        pixels, labels = [], []
        for place in classes:
            files = sorted(p for p in place.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            if not files:
                raise bad(f"there are no images in {place}", "data-missing")
            pixels += [_pixels(path) for path in files]
            labels += [place.name] * len(files)
        if len({p.shape for p in pixels}) > 1:
            raise bad(f"the images of {folder} differ in size: {sorted({p.shape for p in pixels})[:3]}")
        words = {"y": Words.of(np.array(labels))} if classes != [folder] else {}
        return Finite({"x": np.stack(pixels), **words})


def _pixels(path: Path) -> Array:
    """One image as [k, H, W] in [-1, 1]: k is 1 for grey, else 3.

    16 bits are scaled by their own largest number. What is transparent lies over white, as a page shows it.
    """
    import struct

    import numpy as np
    from PIL import Image

    from mai.runtime.files import UNREADABLE

    try:
        with Image.open(path) as image:
            if image.mode.startswith("I;16") or image.mode == "I":
                array = _grey_16(np.asarray(image, np.float32), path)
            elif image.mode == "F":
                raise bad(f"{path} holds real numbers, of which nobody says where black and white are")
            else:
                array = np.asarray(_opaque(image), np.float32) / 127.5 - 1
    except (*UNREADABLE, struct.error, Image.DecompressionBombError) as error:
        raise bad(f"{path} is no image that can be read: {error}") from error
    return array.reshape(*array.shape[:2], -1).transpose(2, 0, 1)


def _grey_16(array: Array, path: Path) -> Array:
    """Grey of 16 bits as numbers in [-1, 1]."""
    if array.min() < 0 or array.max() > WHITE_16:
        raise bad(f"{path} has {array.max():g} for a pixel: more than 16 bits")
    return array / (WHITE_16 / 2) - 1


def _opaque(image: Image) -> Image:
    """Grey (mode L) or colour (RGB) without transparency: over white."""
    import PIL.Image

    is_grey = image.mode in ("L", "1", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if is_grey else "RGB")
