"""Images as what a compiled file takes: read, cropped and scaled by the code that training reads them with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.compiler.data.files.pictures import pictures
from mai.compiler.data.sources.images import Images
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
    port, (channels, height, width) = _image_port(model)
    facts = model.manifest.facts.get(port.name)
    fit = (facts.fit if facts is not None else None) or "crop"
    files = Images(path=str(folder)).find(Path(), [folder])
    for begin in range(0, len(files), count):
        some = files[begin : begin + count]
        values = _scaled(pictures(some, (height, width), fit, channels)[:], facts)
        names = [file.relative_to(folder).as_posix() for file in some]
        yield Block({port.name: values}, pa.table({"file": names}), {})


def _image_port(model: Model) -> tuple[Port, tuple[int, int, int]]:
    """The one input of a file that takes images, and its shape."""
    for port in model.inputs.values():
        sizes = [size for size in port.shape if isinstance(size, int)]
        if (
            len(model.inputs) == 1
            and port.dtype == "float32"
            and len(sizes) == len(port.shape) == 3
            and sizes[0] in CHANNELS
        ):
            return port, (sizes[0], sizes[1], sizes[2])
    inputs = [f"`{port.name}` {port.shape}" for port in model.inputs.values()]
    taken = ", ".join(inputs[:3]) + (f" and {len(inputs) - 3} more" if len(inputs) > 3 else "")
    raise bad(
        f"{model.path.name} takes {taken or 'no input'}, and not one image",
        help="a model of images takes [channels, height, width]",
    )


def _scaled(pixels: Array, facts: Facts | None) -> Array:
    """Pixels of [-1, 1] in the range of what was trained on, where that was an array of another one."""
    low, high = (min(facts.low), max(facts.high)) if facts is not None else PIXELS
    if PIXELS[0] <= low < 0 and high <= PIXELS[1]:
        return pixels
    return (low + (high - low) * (pixels + 1) / 2).astype(np.float32)
