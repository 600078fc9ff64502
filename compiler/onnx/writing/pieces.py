"""The bytes of a model's file, piece by piece: a large tensor is made when its turn comes, and let go.

A model is written without its large tensors first, each a stub; then the tensors are put in place of the stubs, or into a file of data beside,
to which the stubs refer (ONNX external data). So a file of many gigabytes takes the memory of one of its tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx_ir as ir

from mai.runtime.arrays import Array
from mai.runtime.model.mapping import ALIGNED as IN_PLACE
from mai.runtime.model.wire import (
    DATA_LOCATION,
    DOC_STRING,
    EXTERNAL_DATA,
    FIELDS,
    RAW_DATA,
    Buffer,
    Field,
    fields_of,
    head,
    place_of,
    put,
)

LARGE = 1 << 16  # Bytes of a tensor that is a stub at first.
ALIGNED = 1 << 16  # Where a tensor begins in a file of data, so that every system can map it.
ROUND = IN_PLACE  # Where one begins in the message, as its numbers are computed with in place.
PIECE = 1 << 24  # Bytes that are written at a time.
COLUMNS = 64  # Of a matrix turned round, copied at a time: that takes half the time of one copy, or less.
Piece = bytes | Buffer
Write = Callable[[Piece], object]


def write_whole(model: ir.Model, write: Write) -> None:
    """Write the file of a model that holds all of its tensors."""
    tensors = large_tensors(model)
    with _stubs(model, {value: ("", place) for place, value in enumerate(tensors)}):
        message = memoryview(serialised_message(model))
    if not tensors:  # A deep model of small ones is not read once more.
        write(message)
        return
    position = 0
    for piece in _filled(message, "model", [_tensor(v) for v in tensors]):
        for part in piece.parts(position) if isinstance(piece, _Raw) else [piece]:
            write(part)
        position += _size(piece)


def write_apart(model: ir.Model, location: str, write: Write, write_data: Write) -> None:
    """Write the file of a model, and the file of data that will lie beside it under the name `location`."""
    places: dict[ir.Value, tuple[str, int]] = {}
    end = 0
    for value in large_tensors(model):
        places[value] = (location, end)
        end += _aligned(_tensor(value).nbytes)
    for value in places:
        raw = raw_of(_tensor(value))
        for start in range(0, len(raw), PIECE):
            write_data(raw[start : start + PIECE])
        write_data(bytes(_aligned(len(raw)) - len(raw)))
    with _stubs(model, places):
        write(serialised_message(model))


def serialised_message(model: ir.Model) -> bytes:
    """A model as bytes, as it is."""
    raw: bytes = ir.serde.serialize_model(model).SerializeToString()
    return raw


def large_tensors(model: ir.Model) -> list[ir.Value]:
    """The initializers of a model, those of nested graphs included, that hold many numbers."""
    values = [v for graph in model.graphs() for v in graph.initializers.values()]
    return [v for v in values if v.const_value is not None and v.const_value.nbytes >= LARGE]


def raw_of(tensor: ir.TensorProtocol) -> Buffer:
    """The bytes of a tensor as a file has them; those of an array are not copied."""
    if tensor.dtype.bitwidth < 8:
        return memoryview(tensor.tobytes())
    return _in_order(tensor.numpy()).reshape(-1).view(np.uint8).data


def _in_order(array: Array) -> Array:
    """An array whose numbers stand in memory in their order. A matrix turned round is copied some columns at a time, which stay in the cache."""
    if array.ndim != 2 or not array.T.flags.c_contiguous:
        return np.ascontiguousarray(array)
    turned = np.empty(array.shape, array.dtype)
    for start in range(0, array.shape[1], COLUMNS):
        turned[:, start : start + COLUMNS] = array[:, start : start + COLUMNS]
    return turned


def _tensor(value: ir.Value) -> ir.TensorProtocol:
    assert value.const_value is not None
    return value.const_value


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


@contextmanager
def _stubs(model: ir.Model, places: Mapping[ir.Value, tuple[str, int]]) -> Iterator[None]:
    """In place of each tensor a word on where it is, a location and an offset."""
    tensors = {value: _tensor(value) for value in places}
    try:
        for value, (location, offset) in places.items():
            tensor, shape = tensors[value], value.shape
            assert shape is not None
            value.const_value = ir.ExternalTensor(
                Path(location), offset, tensor.nbytes, tensor.dtype, shape=shape, name=str(value.name)
            )
        yield
    finally:
        for value, tensor in tensors.items():
            value.const_value = tensor


def _filled(message: Buffer, kind: str, tensors: list[ir.TensorProtocol]) -> list[Piece | _Raw]:
    """A message of a kind in pieces, with tensors in place of its stubs; those are made when they are called."""
    return [
        piece for field in fields_of(message) for piece in _filled_field(field, FIELDS[kind].get(field.number), tensors)
    ]


def _filled_field(field: Field, kind: str | None, tensors: list[ir.TensorProtocol]) -> list[Piece | _Raw]:
    if kind is None or field.content is None:
        return [field.whole]
    inner = _filled_tensor(field.content, tensors) if kind == "tensor" else _filled(field.content, kind, tensors)
    if all(isinstance(piece, Buffer) for piece in inner):
        return [field.whole]
    return [head(field.number, sum(map(_size, inner))), *inner]


def _filled_tensor(content: Buffer, tensors: list[ir.TensorProtocol]) -> list[Piece | _Raw]:
    place = place_of(content)
    if not place:
        return [content]
    kept: list[Piece | _Raw] = [f.whole for f in fields_of(content) if f.number not in (EXTERNAL_DATA, DATA_LOCATION)]
    tensor = tensors[int(place["offset"])]
    return [*kept, _Raw(tensor)]


class _Raw:
    """The field of a tensor's numbers, made when it is asked for, with words before and after that bring them to a round place."""

    def __init__(self, tensor: ir.TensorProtocol) -> None:
        self._tensor, self._head = tensor, head(RAW_DATA, tensor.nbytes)
        self.size = len(_words(0)) + len(_words(ROUND - 1)) + len(self._head) + tensor.nbytes

    def parts(self, position: int) -> Iterator[Piece]:
        """The bytes, for a place in the file."""
        before = -(position + len(_words(0)) + len(self._head)) % ROUND
        yield _words(before) + self._head
        yield raw_of(self._tensor)
        yield _words(ROUND - 1 - before)


def _words(count: int) -> bytes:
    return put(DOC_STRING, b" " * count)


def _size(piece: Piece | _Raw) -> int:
    return piece.size if isinstance(piece, _Raw) else len(piece)
