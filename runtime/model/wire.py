"""Protobuf's wire format, as far as the tensors of an ONNX file need it: the runtime does not depend on `onnx`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

Buffer = memoryview
# For each kind of message, the numbers of the fields that lead to tensors, and the kind of message in each (onnx.proto).
FIELDS = {
    "model": {7: "graph", 25: "function"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
TENSOR_NAME, RAW_DATA, DOC_STRING, EXTERNAL_DATA, DATA_LOCATION = 8, 9, 12, 13, 14  # Fields of a tensor.
METADATA, KEY, VALUE = 14, 1, 2  # Fields of a model, and of an entry of its metadata.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # Wire types.


class Field(NamedTuple):
    """A field of a message: its number, its bytes with the tag before them, and its content; None where that is no bytes."""

    number: int
    whole: Buffer
    content: Buffer | None


def fields_of(message: Buffer) -> Iterator[Field]:
    """The fields of a message, in their order.

    Raises:
        ValueError: these bytes are no message.
    """
    for number, began, first, end in _spans(message):
        yield Field(number, message[began:end], None if first is None else message[first:end])


def _spans(message: Buffer) -> Iterator[tuple[int, int, int | None, int]]:
    """Of each field its number, and where it begins, its content begins, and it ends. Raises as `fields_of`."""
    at, end = 0, len(message)
    while at < end:
        began, first = at, None
        key, at = _varint(message, at) if message[at] > 127 else (message[at], at + 1)
        wire = key & 7
        if wire == BYTES:
            size, at = _varint(message, at) if at >= end or message[at] > 127 else (message[at], at + 1)
            first = at
            at += size
        elif wire == VARINT:
            _, at = _varint(message, at)
        elif wire in (FIXED64, FIXED32):
            at += 8 if wire == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        yield key >> 3, began, first, at
    if at != end:
        raise ValueError("a message ends in the middle of a field")


def tensors_of(message: Buffer, kind: str = "model") -> Iterator[Buffer]:
    """The bytes of every tensor inside a message of a kind, those of nested graphs included. Raises as `fields_of`."""
    kinds = FIELDS[kind]
    for number, _, first, end in _spans(message):
        inner = kinds.get(number)
        if inner is None or first is None:
            continue
        if inner == "tensor":
            yield message[first:end]
        else:
            yield from tensors_of(message[first:end], inner)


def metadata_of(message: Buffer) -> dict[str, str]:
    """What a model says of itself, by its keys. Raises as `fields_of`."""
    entries = (content for number, _, content in fields_of(message) if number == METADATA and content is not None)
    pairs = [{number: text(content) for number, _, content in fields_of(entry)} for entry in entries]
    return {pair.get(KEY, ""): pair.get(VALUE, "") for pair in pairs}


def place_of(tensor: Buffer) -> dict[str, str]:
    """Where the numbers of a tensor lie, if outside of its file: `location`, `offset` and `length`; empty where inside."""
    place = {}
    for number, _, content in fields_of(tensor):
        if number == EXTERNAL_DATA and content is not None:
            entry = {n: text(c) for n, _, c in fields_of(content)}
            place[entry.get(1, "")] = entry.get(2, "")
    return place


def name_of(tensor: Buffer) -> str:
    """The name of a tensor; empty where it has none."""
    return next((text(content) for number, _, content in fields_of(tensor) if number == TENSOR_NAME), "")


def text(content: Buffer | None) -> str:
    """The content of a field as text."""
    return bytes(content or b"").decode(errors="replace")


def head(number: int, size: int) -> bytes:
    """What stands before the content of a field of bytes."""
    return varint(number << 3 | BYTES) + varint(size)


def put(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return head(number, len(content)) + content


def varint(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def _varint(message: Buffer, at: int) -> tuple[int, int]:
    """The number at a position; and the position after it."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("a number without an end")
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
