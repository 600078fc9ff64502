"""Images as what a compiled file takes: read, cropped and scaled by the code that training reads them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.compiler.data.files.image_tables import folder_of_names, origins_or_why_not
from mai.compiler.data.files.pictures import Origin, pictures
from mai.compiler.data.files.saved_sets import saved_files
from mai.compiler.data.sources.images import images_below
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.predicting.image_ports import image_port
from mai.compiler.predicting.inputs import Block
from mai.compiler.predicting.unasked import note_of_unasked
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of
from mai.runtime.inputs.framing import Framing
from mai.spec.diagnostics import MaiError

if TYPE_CHECKING:
    from mai.runtime.model.manifest import Facts, Port
    from mai.runtime.model.model import Model

PIXELS = (-1.0, 1.0)  # What black and white are to a model of images.


Group = tuple[Sequence[Origin | MaiError], pa.Table]  # Some images, or why there is none, and the columns beside them.


def images_of_folder(folder: Path, count: int) -> Iterator[Group]:
    """All images of a folder, and of the folders in it, `count` at a time, and their names. Raises `MaiError` where there are none."""
    saved = saved_files(folder, str(folder))
    if saved is not None:
        raise bad(f"{folder} is a data set that was saved", help=f"name one of its files: `{saved[0]}`")
    files = images_below(folder)
    if not files:
        raise bad(f"there are no images in {folder}", "data-missing")
    for begin in range(0, len(files), count):
        some = files[begin : begin + count]
        yield some, pa.table({"file": [file.relative_to(folder).as_posix() for file in some]})


def images_of_table(table: TableFile, column: str, beside: Sequence[str], count: int) -> Iterator[Group]:
    """The images of a table, `count` at a time, with the columns `beside` them. Raises `MaiError` where that is no column of images."""
    folder, first = folder_of_names(table, column), 0
    for block in read_blocks(table, [*table.columns.values()]):
        origins = [*origins_or_why_not(replace(table, block=block, first=first), column, folder)]
        rows = pa.table({name: block[table.columns[name]] for name in beside})
        for begin in range(0, len(origins), count):
            yield origins[begin : begin + count], rows.slice(begin, count)
        first += len(origins)


class ImageInputs:
    """Images as what a file takes, some at a time; one that cannot be read is not asked, and `notes` say which, once all are read."""

    def __init__(self, model: Model, groups: Iterator[Group]) -> None:
        self._port, (self._channels, *self._size) = _only_image(model)
        self._facts = model.manifest.facts.get(self._port.name)
        self._groups, self._total, self._unread = groups, 0, list[str]()

    def __iter__(self) -> Iterator[Block]:
        """The blocks. Raises `MaiError` where there are no images."""
        for origins, rows in self._groups:
            read = self._read(origins)
            asked = [place for place, pixels in enumerate(read) if not isinstance(pixels, MaiError)]
            self._total += len(origins)
            self._unread += [each.diagnostics[0].message for each in read if isinstance(each, MaiError)]
            pixels = np.array([each for each in read if not isinstance(each, MaiError)], np.float32)
            lacks = None if len(asked) == len(origins) else np.array(asked, np.int64)
            yield Block({self._port.name: _scaled(pixels, self._facts)}, rows, {}, lacks)

    def _read(self, origins: Sequence[Origin | MaiError]) -> Sequence[Array | MaiError]:
        """The pixels of each image, or why it has none: all at once, and one by one where that does not go."""
        there = [each for each in origins if not isinstance(each, MaiError)]
        if len(there) == len(origins):
            try:
                return [*self._pixels(there)]
            except MaiError:
                pass
        return [each if isinstance(each, MaiError) else self._one(each) for each in origins]

    def _pixels(self, origins: Sequence[Origin]) -> Array:
        framing = Framing() if self._facts is None else self._facts.framing
        height, width = self._size
        return pictures(origins, (height, width), framing, self._channels)[:]

    def _one(self, origin: Origin) -> Array | MaiError:
        try:
            pixels: Array = self._pixels([origin])[0]
        except MaiError as error:
            return error
        return pixels

    @property
    def notes(self) -> tuple[str, ...]:
        """Which images could not be read."""
        return (note_of_unasked(self._unread, self._total),) if self._unread else ()


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
