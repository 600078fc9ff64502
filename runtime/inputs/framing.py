"""How images of any size come to that of a model: as training read them, everywhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Fit: TypeAlias = Literal["crop", "pad", "stretch"]
Resample: TypeAlias = Literal["bicubic", "bilinear", "nearest", "box", "hamming", "lanczos"]
BLACK = {"RGBA": (0, 0, 0, 255)}


@dataclass(frozen=True, slots=True)
class Framing:
    """How images come to a size.

    Attributes:
        fit: the middle of an image, all of it between bars of black, or all of it stretched.
        resize: what images come to before their middle is cut out: their shorter side, or height and width, in pixels.
        resample: Pillow's filter.
    """

    fit: Fit = "crop"
    resize: int | tuple[int, int] | None = None
    resample: Resample = "bicubic"

    def apply(self, image: Picture, size: tuple[int, int]) -> Picture:
        """An image of this height and width; black lies around a middle that is larger than the image."""
        from PIL import Image, ImageOps

        filter, (height, width) = Image.Resampling[self.resample.upper()], size
        if self.resize is not None:
            return _middle(image.resize(self._resized(*image.size), filter), width, height)
        if image.size == (width, height):
            return image
        if self.fit == "crop":
            return ImageOps.fit(image, (width, height), filter)
        if self.fit == "pad":
            return ImageOps.pad(image, (width, height), filter, color=BLACK.get(image.mode, 0))
        return image.resize((width, height), filter)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """The width and height that an image comes to before it is cut; of the longer side, a part of a pixel is left out."""
        if isinstance(self.resize, tuple):
            return self.resize[1], self.resize[0]
        assert self.resize is not None
        short = min(width, height)
        return int(self.resize * width / short), int(self.resize * height / short)


def _middle(image: Picture, width: int, height: int) -> Picture:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
