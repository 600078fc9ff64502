"""Checking what a caller hands in: names, dtypes, shapes and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Port

Ports = Mapping[str, Port]
Sizes = Mapping[str, int]
NONE: Sizes = {}


def prepare(
    inputs: Ports, settings: Ports, values: Mapping[str, Any], least: Sizes = NONE, most: Sizes = NONE
) -> dict[str, Array]:
    """Arrays for the session, by name; `least` and `most` bound the sizes of dimensions, by their names.

    One example of an input stands for each of a batch of the others.

    Raises:
        ModelError: a name, a dtype, a shape or a range is not as the file says.
    """
    feed = {}
    for name, value in values.items():
        port = inputs.get(name) or settings.get(name)
        if port is None:
            raise unknown(name, [*inputs, *settings])
        if value is not None:
            feed[name] = _array(port, value)
    for name in inputs:
        if name not in feed:
            raise ModelError(
                "input-missing", f"the input `{name}` is missing", f"it takes {', '.join([*inputs, *settings])}"
            )
    _agree(inputs, feed, least, most)
    return feed | _repeated(inputs, feed)


def unknown(name: str, known: list[str]) -> ModelError:
    near = get_close_matches(name, known, n=1)
    help = f"did you mean `{near[0]}`?" if near else f"it takes {', '.join(known)}" if known else None
    return ModelError("input-unknown", f"there is no input or setting `{name}`", help)


def without_name(known: list[str]) -> ModelError:
    """For a value that is handed over by its place alone."""
    help = f"model({known[0]}=...); it takes {', '.join(known)}" if known else "it takes nothing"
    return ModelError("input-unknown", "inputs and settings are given by name", help)


def as_array(port: Port, value: Any) -> Array:
    """A number, nested lists or an array as an array. Raises `ModelError` where rows have different lengths."""
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ModelError("input-shape", f"`{port.name}` is not a regular array: its rows differ in length") from error


def _array(port: Port, value: Any) -> Array:
    array = _cast(port, as_array(port, value))
    if port.kind == "setting" and array.ndim:
        raise ModelError("input-shape", f"the setting `{port.name}` is one number, this has shape {list(array.shape)}")
    if port.kind == "input":
        array = _batched(port, array)
    _check_range(port, array)
    return array


def _cast(port: Port, array: Array) -> Array:
    """The array in the port's dtype. Whole reals may stand for integers; reals lose precision, never their size."""
    wanted = np.dtype(port.dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind not in "biuf" or (wanted.kind == "b") != (array.dtype.kind == "b"):
        found = "no number that fits" if array.dtype.kind == "O" else str(array.dtype)
        raise ModelError("input-dtype", f"`{port.name}` is {port.dtype}, this is {found}")
    with np.errstate(invalid="ignore", over="ignore"):
        cast = array.astype(wanted)
    lost = cast != array if wanted.kind == "i" else np.isinf(cast) & np.isfinite(array)
    if np.any(lost):
        kind = "a whole number" if wanted.kind == "i" else "a real number"
        raise ModelError("input-dtype", f"`{port.name}` is {kind} ({port.dtype}), this holds {array[lost][0]:g}")
    return cast


def _batched(port: Port, array: Array) -> Array:
    """With the batch axis first; one example alone becomes a batch of one."""
    rank = len(port.shape)
    if array.ndim == rank and _fits(port.shape, array.shape):
        array = array[None]
    if array.ndim != rank + 1 or not _fits(port.shape, array.shape[1:]):
        wanted = ", ".join(["batch", *map(str, port.shape)])
        raise ModelError("input-shape", f"`{port.name}` is [{wanted}], this is {list(array.shape)}")
    return array


def _fits(shape: list[int | str], sizes: tuple[int, ...]) -> bool:
    return all(isinstance(s, str) or s == n for s, n in zip(shape, sizes, strict=True))


def _check_range(port: Port, array: Array) -> None:
    """Within the port's range; what is not a number passes, as the file's own arithmetic has to deal with it."""
    if port.minimum is None and port.maximum is None:
        return
    low = -np.inf if port.minimum is None else port.minimum
    high = np.inf if port.maximum is None else port.maximum
    outside = array[(array < low) | (array > high)]
    if outside.size:
        raise ModelError("input-range", f"`{port.name}` is {span(port)}, this holds {outside[0]}")


def span(port: Port) -> str:
    """The range of a port in words, empty where there is none."""
    return between(port.minimum, port.maximum)


def between(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return "" if high is None else f"at most {high:g}"


def _agree(inputs: Ports, feed: Mapping[str, Array], least: Sizes, most: Sizes) -> None:
    """Inputs of one call have one batch or one example, and one size for each name of a dimension, which may have limits."""
    sizes: dict[str, tuple[int, str]] = {}
    for port in inputs.values():
        array = feed[port.name]
        for name, size in zip(["batch", *port.shape], array.shape, strict=True):
            if isinstance(name, int) or not name.isidentifier():
                continue
            if name == "batch" and not size:
                raise ModelError("input-shape", f"the batch of `{port.name}` is empty")
            if name == "batch" and size == 1:
                continue
            known, where = sizes.setdefault(name, (size, port.name))
            if known != size:
                what = "the batch" if name == "batch" else f"`{name}`"
                message = f"{what} is {known} in `{where}` and {size} in `{port.name}`"
                raise ModelError("input-shape", message)
            if size < least.get(name, size):
                raise ModelError("input-range", f"`{name}` is at least {least[name]}, `{port.name}` has {size}")
            if size > most.get(name, size):
                raise ModelError("input-range", f"`{name}` is at most {most[name]}, `{port.name}` has {size}")


def _repeated(inputs: Ports, feed: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs of one example beside a batch, as often as there are examples in it."""
    batch = max((len(feed[name]) for name in inputs), default=1)
    return {name: np.repeat(feed[name], batch, axis=0) for name in inputs if len(feed[name]) < batch}
