"""Images as arrays: of one size, with so many channels, decoded when they are asked for where all of them would not fit into memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import Key, Rows, change
from mai.runtime.arrays import Array
from mai.runtime.files import UNREADABLE, plain_bytes, plain_file
from mai.runtime.inputs.framing import Framing
from mai.spec.record import record

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image as Picture

IN_MEMORY = 1 << 28  # Bytes of pixels that are kept there.
WHITE, WHITE_16 = 2**8 - 1, 2**16 - 1
GREY = frozenset(("L", "1", "LA", "La"))
OPACITY = 4
# What Pillow raises for files that are no images.
UNDECODED = (*UNREADABLE, struct.error, Image.DecompressionBombError)
# In a photograph's notes: how it was held; sides are exchanged in some.
ORIENTATION, UPRIGHT, TURNED = 0x0112, 1, (5, 6, 7, 8)


@record
class Form:
    """What images become: their size (height, width), their framing, their channels, and whether 16 bits are kept."""

    size: tuple[int, int]
    framing: Framing
    channels: int
    is_deep: bool


@record
class Header:
    """What an image says of itself before it is decoded."""

    size: tuple[int, int]
    is_grey: bool
    is_deep: bool


@record
class Cell:
    """An image in a table: the bytes of its file, in a row from 1 on."""

    table: Path
    row: int
    raw: pa.Buffer

    def __str__(self) -> str:
        return f"{self.table}, row {self.row},"


Origin = Path | Cell


class Pictures:
    """Images [n, k, H, W] in whole numbers, decoded when they are asked for."""

    def __init__(self, origins: Sequence[Origin], form: Form) -> None:
        self.origins, self.form = origins, form
        self.shape = (len(origins), form.channels, *form.size)
        self.dtype = np.dtype(np.uint16 if form.is_deep else np.uint8)

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, key: Key, /) -> Array:
        numbers = range(*key.indices(len(self))) if isinstance(key, slice) else key.tolist()
        pixels = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for place, number in enumerate(numbers):
            pixels[place] = decode(self.origins[number], self.form)
        return pixels


def pictures(origins: Sequence[Origin], size: tuple[int, int] | None, framing: Framing, channels: int | None) -> Rows:
    """Images as [n, k, H, W] in [-1, 1], whole numbers until they are read.

    Args:
        size: height and width; None asks for images of one size.
        channels: 1 is grey, 3 colour, 4 colour and opacity; None is grey where all images are, else colour.

    Raises:
        MaiError: a file is no image, or sizes differ.
    """
    headers = [look(origin) for origin in origins]
    sizes = sorted({header.size for header in headers})
    if size is None and len(sizes) > 1:
        help = f"`size = [{sizes[0][0]}, {sizes[0][1]}]` brings them to one, by `fit = crop`, `pad` or `stretch`"
        raise bad(
            f"the images of {_place(origins[0])} differ in size: {', '.join(f'{h} x {w}' for h, w in sizes[:3])}",
            help=help,
        )
    form = Form(
        size or sizes[0],
        framing,
        channels or (1 if all(h.is_grey for h in headers) else 3),
        any(h.is_deep for h in headers),
    )
    rows: Rows = Pictures(origins, form)
    if int(np.prod(rows.shape, dtype=np.int64)) * rows.dtype.itemsize <= IN_MEMORY:
        rows = rows[:]
    half = np.float32((WHITE_16 if form.is_deep else WHITE) / 2)
    return change(rows, lambda pixels: scaled(pixels, half), (-1.0, 1.0))


def scaled(pixels: Array, half: np.float32) -> Array:
    """Whole numbers from 0 to twice `half` as real ones in [-1, 1], in the memory of one array."""
    numbers = pixels.astype(np.float32)
    numbers /= half
    numbers -= 1
    return numbers


def _place(origin: Origin) -> Path:
    """Where an image lies, with others."""
    return origin.table if isinstance(origin, Cell) else origin.parent


def look(origin: Origin) -> Header:
    """The header of an image. Raises `MaiError` where it is none."""
    with opened(origin) as image:
        if image.mode == "F":
            raise bad(f"{origin} holds real numbers, of which nobody says where black and white are")
        width, height = upright_size(image)
        is_deep = image.mode[0] == "I"
        return Header((height, width), is_deep or image.mode in GREY, is_deep)


def upright_size(image: Picture) -> tuple[int, int]:
    """The width and height of an image as it is seen: a photograph may be stored on its side, and say so."""
    width, height = image.size
    return (height, width) if image.getexif().get(ORIENTATION) in TURNED else (width, height)


def decode(origin: Origin, form: Form) -> Array:
    """One image as [k, H, W]. What is transparent lies over white, as a page shows it, unless opacity is a channel."""
    with opened(origin, whole=True) as image:
        if image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
            image = ImageOps.exif_transpose(image)
        if image.mode[0] == "I":
            grey = form.framing.apply(_grey_16(image, origin), form.size)
            array = np.asarray(grey).clip(0, WHITE_16).round().astype(np.uint16)
        else:
            array = np.asarray(form.framing.apply(_with_channels(image, form.channels), form.size))
            array = array * np.uint16(WHITE_16 // WHITE) if form.is_deep else array
    return _channels_first(array, form)


@contextmanager
def opened(origin: Origin, whole: bool = False) -> Iterator[Picture]:
    """An open image, the `whole` of whose file is read at once or as it is needed; an error about it has its name."""
    try:
        with Image.open(_source(origin, whole)) as image:
            yield image
    except UNDECODED as error:
        why = "its format is not known" if isinstance(error, UnidentifiedImageError) else error
        raise bad(f"{origin} is no image that can be read: {why}", help="copy it again, or take it out") from error


def _source(origin: Origin, whole: bool) -> Path | BytesIO:
    if isinstance(origin, Cell):
        return BytesIO(memoryview(origin.raw))
    return BytesIO(plain_bytes(origin)) if whole else plain_file(origin)


def _grey_16(image: Picture, origin: Origin) -> Picture:
    """Grey of 16 bits as real numbers, which may be resized."""
    array = np.asarray(image, np.float32)
    if array.min() < 0 or array.max() > WHITE_16:
        raise bad(f"{origin} has {array.max():g} for a pixel: more than 16 bits")
    return Image.fromarray(array)


def _with_channels(image: Picture, channels: int) -> Picture:
    """Grey (mode L), colour (RGB), or colour and opacity (RGBA)."""
    if channels == OPACITY:
        return _in_mode(image, "RGBA")
    is_grey = image.mode in GREY
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if is_grey:
        image = _in_mode(image, "L")
    return _in_mode(image, "L" if channels == 1 else "RGB")


def _in_mode(image: Picture, mode: str) -> Picture:
    """The image itself where it is so already: converting would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _channels_first(array: Array, form: Form) -> Array:
    """[H, W] or [H, W, k] as [k, H, W]; deep grey is the same in all colours."""
    array = array.reshape(*form.size, -1).transpose(2, 0, 1)
    if len(array) == form.channels:
        return array
    opaque = [np.full_like(array, WHITE_16)] if form.channels == OPACITY else []
    return np.concatenate([array] * min(form.channels, 3) + opaque)
