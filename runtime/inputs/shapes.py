"""The shapes of what a call hands in: of each input, and of all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import SupportsInt

from mai.runtime.errors import ModelError
from mai.runtime.inputs.sizes import computed_size
from mai.runtime.model.manifest import Port

Ports = Mapping[str, Port]
Sizes = Mapping[str, int]
Shapes = Mapping[str, tuple[int, ...]]
NO_LIMITS: Sizes = {}


def is_one_example(port: Port, shape: tuple[int, ...]) -> bool:
    """Whether a shape is that of one example, without a batch."""
    return len(shape) == len(port.shape) and _fits(port, shape)


def check_shape(port: Port, shape: tuple[int, ...]) -> None:
    """Check that a shape is [batch, ...] with an input's own sizes. Raises `ModelError`."""
    if len(shape) != len(port.shape) + 1 or not _fits(port, shape[1:]):
        wanted = ", ".join(["batch", *map(str, port.shape)])
        raise ModelError("input-shape", f"`{port.name}` is [{wanted}], this is {list(shape)}")


def _fits(port: Port, sizes: tuple[int, ...]) -> bool:
    return all(isinstance(s, str) or s == n for s, n in zip(port.shape, sizes, strict=True))


def check_sizes(
    inputs: Ports,
    shapes: Shapes,
    least: Sizes = NO_LIMITS,
    most: Sizes = NO_LIMITS,
    numbers: Mapping[str, SupportsInt] = NO_LIMITS,
    repeats: bool = True,
) -> None:
    """Check that the inputs of a call have one batch size and one size for each named dimension, within its limits.

    Args:
        shapes: of all inputs, [batch, ...], by name.
        least, most: the smallest and largest sizes of dimensions, by the names of the dimensions; the smallest is 1 where it is not among them.
            The smallest of what is made of several, `n - m`, is there, too.
        numbers: the settings, by name, of which such sizes may be made.
        repeats: whether a batch of one fits any other.

    Raises:
        ModelError: they do not go together.
    """
    sizes: dict[str, tuple[int, str]] = {}
    for port in inputs.values():
        for name, size in zip(["batch", *port.shape], shapes[port.name], strict=True):
            if isinstance(name, int) or not name.isidentifier():
                continue
            if name == "batch" and not size:
                raise ModelError("input-shape", f"the batch of `{port.name}` is empty")
            if name == "batch" and size == 1 and repeats:
                continue
            first_size, first_port = sizes.setdefault(name, (size, port.name))
            if first_size != size:
                what = "the batch" if name == "batch" else f"`{name}`"
                message = f"{what} is {first_size} in `{first_port}` and {size} in `{port.name}`"
                raise ModelError("input-shape", message)
            _check_limits(port, name, size, least.get(name, 1), most.get(name, size))
    named = {name: size for name, (size, _) in sizes.items()}
    _check_computed(inputs, shapes, named)
    _check_least(least, {**numbers, **named})


def _check_limits(port: Port, name: str, size: int, least: int, most: int) -> None:
    """Check a named size of an input."""
    if size < least:
        raise ModelError("input-range", f"`{name}` is at least {least}, `{port.name}` has {size}")
    if size > most:
        raise ModelError("input-range", f"`{name}` is at most {most}, `{port.name}` has {size}")


def _check_computed(inputs: Ports, shapes: Shapes, sizes: Sizes) -> None:
    """Check the sizes that are made of named ones, `P + 2`, as far as these are known."""
    for port in inputs.values():
        for text, size in zip(port.shape, shapes[port.name][1:], strict=True):
            wanted = None if isinstance(text, int) or text.isidentifier() else computed_size(text, sizes)
            if wanted not in (None, size):
                raise ModelError("input-shape", f"`{text}` is {wanted} here, and `{port.name}` has {size}")


def _check_least(least: Sizes, numbers: Mapping[str, SupportsInt]) -> None:
    """Check the smallest sizes of what is made of several numbers of a call, as far as these are known."""
    for text, low in least.items():
        size = None if text.isidentifier() else computed_size(text, numbers)
        if size is not None and size < low:
            raise ModelError("input-range", f"`{text}` is at least {low}, here it is {size}")
