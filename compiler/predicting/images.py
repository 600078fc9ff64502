"""Images as what a compiled file takes: read, cropped and scaled by the code that training reads them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.compiler.data.files.image_tables import folder_of_names, origins_of
from mai.compiler.data.files.pictures import Origin, pictures
from mai.compiler.data.sources.images import Images
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.data.tables.kinds import is_table
from mai.compiler.predicting.image_ports import image_port
from mai.compiler.predicting.inputs import Block
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of
from mai.runtime.inputs.framing import Framing

if TYPE_CHECKING:
    from mai.runtime.model.manifest import Facts, Port
    from mai.runtime.model.model import Model

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


def read_image_rows(model: Model, table: TableFile, column: str, beside: Sequence[str], count: int) -> Iterator[Block]:
    """The images of a table, `count` at a time, with the columns `beside` them. Raises `MaiError` where one cannot be read."""
    folder, first = folder_of_names(table, column), 0
    for block in read_blocks(table, [*table.columns.values()]):
        origins = [*origins_of(replace(table, block=block, first=first), column, folder)]
        rows = pa.table({name: block[table.columns[name]] for name in beside})
        for begin in range(0, len(origins), count):
            yield Block(_values(model, origins[begin : begin + count]), rows.slice(begin, count), {})
        first += len(origins)


def _values(model: Model, origins: Sequence[Origin]) -> dict[str, Array]:
    """Images as the file takes them."""
    port, (channels, height, width) = _only_image(model)
    facts = model.manifest.facts.get(port.name)
    framing = Framing() if facts is None else facts.framing
    return {port.name: _scaled(pictures(origins, (height, width), framing, channels)[:], facts)}


def _only_image(model: Model) -> tuple[Port, tuple[int, int, int]]:
    """The one input of a file, an image, and its shape. Raises `MaiError` for a file that takes anything else."""
    port = image_port(model)
    if port is not None:
        return port
    inputs = [f"`{port.name}` {port.shape}" for port in model.inputs.values()]
    raise bad(
        f"{model.path.name} takes {few_of(inputs, 3) or 'no input'}, and not one image",
        help="a model of images takes [channels, height, width]",
    )


def _scaled(pixels: Array, facts: Facts | None) -> Array:
    """Pixels of [-1, 1] in the range of what was trained on, where that was an array of another one."""
    low, high = (min(facts.low), max(facts.high)) if facts is not None else PIXELS
    if PIXELS[0] <= low < 0 and high <= PIXELS[1]:
        return pixels
    return (low + (high - low) * (pixels + 1) / 2).astype(np.float32)
