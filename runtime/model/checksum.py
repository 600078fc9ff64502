"""A checksum of a file's weights, by which a bit that a disk or a copy has changed is noticed before it is computed with.

The tensors are found in the bytes of the file, a protobuf message, because the runtime does not depend on `onnx`. A CRC is
enough: it guards against accidents, and whoever changes weights on purpose can change the manifest as well.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

# For each kind of message, the numbers of the fields that lead to tensors, and the kind of message in each (onnx.proto).
FIELDS = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
TENSOR_NAME, EXTERNAL_DATA = 8, 13  # Fields of a tensor. External data are pairs of a key (1) and a value (2).
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # Protobuf's wire types.


def checksum(raw: bytes) -> str:
    """The checksum of the tensors in an ONNX file, those of nested graphs included: the sum of their CRC-32.

    A sum does not depend on the order of the tensors.

    Returns:
        16 hexadecimal digits.

    Raises:
        ValueError: these bytes are no ONNX file.
    """
    return combine_checksums(zlib.crc32(tensor) for tensor in _tensors(memoryview(raw), "model"))


def external_tensors(raw: bytes) -> list[tuple[str, str]]:
    """The tensors of an ONNX file that lie in other files: the name of each, and where it lies.

    Raises:
        ValueError: these bytes are no ONNX file.
    """
    outside = []
    for tensor in _tensors(memoryview(raw), "model"):
        fields = list(_fields(tensor))
        entries = [dict(_fields(content)) for number, content in fields if number == EXTERNAL_DATA]
        if entries:
            where = {_text(entry.get(1)): _text(entry.get(2)) for entry in entries}
            names = [_text(content) for number, content in fields if number == TENSOR_NAME]
            outside.append((names[-1] if names else "", where.get("location", "")))
    return outside


def _text(content: memoryview | None) -> str:
    return bytes(content or b"").decode(errors="replace")


def combine_checksums(parts: Iterator[int]) -> str:
    """The sum of the tensors' CRC-32, modulo 2^64, as 16 hexadecimal digits."""
    return f"{sum(parts) % 2**64:016x}"


def _tensors(message: memoryview, kind: str) -> Iterator[memoryview]:
    """The bytes of every tensor inside a message of a kind."""
    for number, content in _fields(message):
        inner = FIELDS[kind].get(number)
        if inner == "tensor":
            yield content
        elif inner is not None:
            yield from _tensors(content, inner)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message that hold bytes, as number and content."""
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
    """The number at a position, written in groups of seven bits, the lowest first; and the position after it."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number without an end")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
