"""Which compiled files take images: what is asked of every file before anything that reads images is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mai.runtime.model.manifest import Port
    from mai.runtime.model.model import Model

CHANNELS = (1, 3, 4)


def image_port(model: Model) -> tuple[Port, tuple[int, int, int]] | None:
    """The one input of a file and its channels, height and width; None where it is no image, or there are others."""
    images = [(port, shape) for port in model.inputs.values() if (shape := _image_shape(port)) is not None]
    return images[0] if images and len(model.inputs) == 1 else None


def _image_shape(port: Port) -> tuple[int, int, int] | None:
    """The channels, height and width of an input that can be an image."""
    sizes = [size for size in port.shape if isinstance(size, int)]
    is_one = port.dtype == "float32" and len(sizes) == len(port.shape) == 3 and sizes[0] in CHANNELS
    return (sizes[0], sizes[1], sizes[2]) if is_one else None
