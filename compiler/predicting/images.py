"""Images as what a compiled file takes: read, cropped and scaled by the code that training reads them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.compiler.data.files.arrow_types import is_image
from mai.compiler.data.files.image_tables import folder_of_names, image_columns, origins_of
from mai.compiler.data.files.pictures import Origin, pictures
from mai.compiler.data.sources.images import Images
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.data.tables.kinds import is_table
from mai.compiler.predicting.inputs import Block
from mai.runtime.arrays import Array

if TYPE_CHECKING:
    from mai.runtime.model.manifest import Facts, Port
    from mai.runtime.model.model import Model

CHANNELS = (1, 3, 4)
PIXELS = (-1.0, 1.0)  # What black and white are to a model of images.


def read_images(model: Model, folder: Path, count: int) -> Iterator[Block]:
    """All images of a folder, and of its folders, `count` at a time, and their names.

    Raises:
        MaiError: the file takes no image, or something beside it; an image cannot be read.
    """
    files = Images(path=str(folder)).find(Path(), [folder])
    if is_table(files[0]):
        raise bad(f"{folder} is a data set that was saved", help=f"name one of its files: `{files[0]}`")
    for begin in range(0, len(files), count):
        some = files[begin : begin + count]
        names = [file.relative_to(folder).as_posix() for file in some]
        yield Block(_values(model, some), pa.table({"file": names}), {})


def image_column_of(model: Model, table: TableFile) -> str | None:
    """The column of a table with the images that a file takes; None where the file takes none, or the table has none."""
    shapes = [_image_shape(port) for port in model.inputs.values()]
    if len(shapes) != 1 or shapes[0] is None:
        return None
    return next(iter(image_columns(table)), None)


def read_image_rows(model: Model, table: TableFile, column: str, count: int) -> Iterator[Block]:
    """The images of a table, `count` at a time, beside its other columns. Raises `MaiError` where one cannot be read."""
    folder, first = folder_of_names(table, column), 0
    for block in read_blocks(table, [*table.columns.values()]):
        origins = [*origins_of(replace(table, block=block, first=first), column, folder)]
        rows = pa.table({name: block[own] for name, own in table.columns.items() if not is_image(block[own].type)})
        for begin in range(0, len(origins), count):
            yield Block(_values(model, origins[begin : begin + count]), rows.slice(begin, count), {})
        first += len(origins)


def _values(model: Model, origins: Sequence[Origin]) -> dict[str, Array]:
    """Images as the file takes them."""
    port, (channels, height, width) = _image_port(model)
    facts = model.manifest.facts.get(port.name)
    fit = (facts.fit if facts is not None else None) or "crop"
    return {port.name: _scaled(pictures(origins, (height, width), fit, channels)[:], facts)}


def _image_port(model: Model) -> tuple[Port, tuple[int, int, int]]:
    """The one input of a file that takes images, and its shape."""
    for port in model.inputs.values():
        shape = _image_shape(port)
        if len(model.inputs) == 1 and shape is not None:
            return port, shape
    inputs = [f"`{port.name}` {port.shape}" for port in model.inputs.values()]
    taken = ", ".join(inputs[:3]) + (f" and {len(inputs) - 3} more" if len(inputs) > 3 else "")
    raise bad(
        f"{model.path.name} takes {taken or 'no input'}, and not one image",
        help="a model of images takes [channels, height, width]",
    )


def _image_shape(port: Port) -> tuple[int, int, int] | None:
    """The channels, height and width of an input that can be an image."""
    sizes = [size for size in port.shape if isinstance(size, int)]
    is_one = port.dtype == "float32" and len(sizes) == len(port.shape) == 3 and sizes[0] in CHANNELS
    return (sizes[0], sizes[1], sizes[2]) if is_one else None


def _scaled(pixels: Array, facts: Facts | None) -> Array:
    """Pixels of [-1, 1] in the range of what was trained on, where that was an array of another one."""
    low, high = (min(facts.low), max(facts.high)) if facts is not None else PIXELS
    if PIXELS[0] <= low < 0 and high <= PIXELS[1]:
        return pixels
    return (low + (high - low) * (pixels + 1) / 2).astype(np.float32)
