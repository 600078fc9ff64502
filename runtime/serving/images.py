"""Images of requests and answers: PNG or JPEG to the numbers of a model, and numbers to PNG."""

from __future__ import annotations

import io
import struct
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import UNREADABLE
from mai.runtime.inputs.framing import Framing
from mai.runtime.model.manifest import Facts, Port
from mai.runtime.show.canvas import as_images, image_span

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

WHITE = 255
FORMATS = ("PNG", "JPEG")  # Other formats have decoders that nobody needs here: one of Pillow's starts another program.
MOST_PIXELS, MOST_TOGETHER = 50_000_000, 200_000_000  # Of an image, and of all of a request: small files may hold many.
SMALLEST = 4  # Pixels of a side: fewer are numbers, no image.


def image_size(port: Port) -> tuple[int, int, int] | None:
    """Channels, height and width of the images that a port takes or gives; None where it is for something else.

    They are real numbers [1 or 3, height, width] or [height, width].
    """
    shape = [size for size in port.shape if isinstance(size, int)]
    if port.dtype != "float32" or port.path is not None or len(shape) != len(port.shape):
        return None
    channels, *sides = shape if len(shape) == 3 else [1, *shape]
    if len(sides) != 2 or channels not in (1, 3) or min(sides) < SMALLEST:
        return None
    return channels, sides[0], sides[1]


def span_of(facts: Facts | None) -> tuple[float, float]:
    """The numbers that black and white are: -1 and 1 for images, or the range of an array that was trained on."""
    low, high = (min(facts.low), max(facts.high)) if facts else (-1.0, 1.0)
    return (-1.0, 1.0) if -1 <= low < 0 and high <= 1 else (low, high)


def read_images(port: Port, texts: Sequence[str], facts: Facts | None) -> Array:
    """Images in base64, with `data:image/png;base64,` before them or not, as the numbers of a port, [batch, ...].

    They come to the model's size as the training images did: the middle, unless the facts of the data say otherwise. What is transparent lies over white.

    Raises:
        ModelError: `input-dtype`: one is no image of 8 bits that can be read, or they have more than `MOST_TOGETHER` pixels.
    """
    left, images = MOST_TOGETHER, []
    for text in texts:
        image, pixels = _read_image(port, text, facts, min(left, MOST_PIXELS))
        left -= pixels
        images.append(image)
    return np.stack(images)


def _read_image(port: Port, text: str, facts: Facts | None, most: int) -> tuple[Array, int]:
    """One image as the numbers of a port, in its shape, and how many pixels it had: `most` at most."""
    size = image_size(port)
    if size is None:
        raise ModelError("input-dtype", f"`{port.name}` takes no image: it is {port.dtype} {[*port.shape]}")
    channels, height, width = size
    framing = facts.framing if facts else Framing()
    try:
        raw = b64decode(text.partition(",")[2] or text, validate=True)
        pixels, count = _decoded(raw, channels, (height, width), framing, most)
    except (*UNREADABLE, struct.error) as error:
        help = "a PNG or a JPEG of 8 bits a colour, in base64"
        raise ModelError("input-dtype", f"`{port.name}` is no image that can be read: {error}", help) from error
    low, high = span_of(facts)
    numbers = low + (high - low) * pixels.reshape(height, width, channels).transpose(2, 0, 1).astype(np.float32) / WHITE
    return numbers.astype(np.float32).reshape([int(n) for n in port.shape]), count


def _decoded(raw: bytes, channels: int, size: tuple[int, int], framing: Framing, most: int) -> tuple[Array, int]:
    """The pixels [height, width(, channels)] of an image, uint8, and how many there were before it had this size."""
    from PIL import Image, ImageOps

    with _opened(raw) as opened:
        count = opened.size[0] * opened.size[1]
        if count > most:
            raise ValueError(f"it has {opened.size[0]} x {opened.size[1]} pixels, and {most:,} are read at most")
        if opened.mode[0] in "IF":
            raise ValueError("it has more than 8 bits a colour")
        image: Picture = ImageOps.exif_transpose(opened)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(framing.apply(image.convert("L" if channels == 1 else "RGB"), size)), count


def _opened(raw: bytes) -> Picture:
    """An image whose head alone was read. Raises `ValueError` or `OSError` where it is none, or of more pixels than Pillow opens."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(raw), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise ValueError("it has too many pixels") from error
    except UnidentifiedImageError as error:
        raise ValueError("it has another format") from error


def as_png(image: Array, span: tuple[float, float]) -> bytes:
    """One image [1 or 3, height, width] as a PNG; `span` are the numbers of black and white."""
    from PIL import Image

    low, high = span
    share = (np.nan_to_num(image, nan=low).astype(np.float64) - low) / ((high - low) or 1.0)
    pixels = np.round(share.clip(0, 1) * WHITE).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def as_pngs(port: Port, batch: Array, span: tuple[float, float] | None = None) -> list[bytes]:
    """The images of a result [batch, ...] as PNG; black and white are the ends of the range that they live in, or those of `span`.

    Raises:
        ModelError: `out-unknown`: they are no images.
    """
    images = as_images(batch) if image_size(port) else None
    if images is None:
        help = "format=json, npy or npz has its numbers"
        raise ModelError("out-unknown", f"`{port.name}` is {[*port.shape]}, which is no image", help)
    ends = span or image_span(images)
    return [as_png(image, ends) for image in images]


def in_base64(raw: bytes) -> str:
    """Bytes as text."""
    return b64encode(raw).decode("ascii")
