"""A checksum of a file's weights: a bit that a disk or a copy has turned is noticed before it is computed with.

It is read off the file's bytes, which are a protobuf message, since the runtime has no onnx; a CRC, since nothing is to be
kept from whoever could write the manifest as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

# By message, the fields that lead to tensors, and the messages that they hold (onnx.proto).
INSIDE = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def checksum(raw: bytes) -> str:
    """The sum of the CRC-32 of every tensor in an ONNX file, those of nested graphs too, whatever their order.

    Raises:
        ValueError: these bytes are no such file.
    """
    return combine_checksums(zlib.crc32(tensor) for tensor in _tensors(memoryview(raw), "model"))


def combine_checksums(parts: Iterator[int]) -> str:
    return f"{sum(parts) % 2**64:016x}"


def _tensors(message: memoryview, kind: str) -> Iterator[memoryview]:
    fields = INSIDE[kind]
    for number, held in _fields(message):
        inner = fields.get(number)
        if inner == "tensor":
            yield held
        elif inner is not None:
            yield from _tensors(held, inner)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that hold bytes, by their numbers."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        wire = key & 7
        if wire == VARINT:
            _, at = _varint(message, at)
        elif wire == BYTES:
            size, at = _varint(message, at)
            yield key >> 3, message[at : at + size]
            at += size
        elif wire in (FIXED64, FIXED32):
            at += 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
    if at != end:
        raise ValueError("a message ends in the middle of a field")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where the next field begins."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number without an end")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
