"""A checksum of a file's weights, by which a bit that a disk or a copy has changed is noticed before it is computed with.

A CRC is enough: it guards against accidents, and whoever changes weights on purpose can change the manifest as well. What lies in a
file beside it has a SHA-256 of the whole, as people compare downloads by.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from pathlib import Path

from mai.runtime.files import mapped
from mai.runtime.model.wire import DOC_STRING, Buffer, fields_of, tensors_of


def checksum(raw: Buffer | bytes) -> str:
    """The checksum of the tensors in an ONNX file, those of nested graphs included: the sum of their CRC-32.

    A sum does not depend on the order of the tensors.

    Returns:
        16 hexadecimal digits.

    Raises:
        ValueError: these bytes are no ONNX file.
    """
    return checksum_of(tensors_of(memoryview(raw)))


def checksum_of(tensors: Iterable[Buffer]) -> str:
    """The checksum of a file with these tensors. Raises as `checksum`."""
    return combine_checksums(map(_crc, tensors))


def _crc(tensor: Buffer) -> int:
    """Of all fields but the words that fill up, so that the numbers begin at a round place."""
    crc = 0
    for field in fields_of(tensor):
        if field.number != DOC_STRING:
            crc = zlib.crc32(field.whole, crc)
    return crc


def combine_checksums(parts: Iterable[int]) -> str:
    """The sum of the tensors' CRC-32, modulo 2^64, as 16 hexadecimal digits."""
    return f"{sum(parts) % 2**64:016x}"


def sha256_of(path: Path, size: int | None = None) -> str:
    """The SHA-256 of a file, or of its first `size` bytes, as 64 hexadecimal digits."""
    if size is None:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    with mapped(path) as raw:
        return hashlib.sha256(raw[:size]).hexdigest()
