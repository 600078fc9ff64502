"""Weight files that mai writes: equal tensors and metadata are equal bytes, and a checksum tells whether a file is as written.

A safetensors file begins with the length of its header in 8 bytes, then the header in JSON, then the tensors' bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

CHECKSUM = "mai.checksum"  # Of the metadata.
METADATA = "__metadata__"
LENGTH_BYTES, ALIGNMENT, PIECE = 8, 8, 1 << 24
MAX_HEADER_BYTES = 100_000_000  # What the safetensors package reads, too.

Header = dict[str, dict[str, object]]


def sealed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The bytes of a file of tensors, with keys in alphabetical order and a checksum of all the rest in its metadata."""
    raw = memoryview(save({n: t.detach().cpu().contiguous() for n, t in tensors.items()}))
    start = LENGTH_BYTES + int.from_bytes(raw[:LENGTH_BYTES], "little")
    header: Header = json.loads(bytes(raw[LENGTH_BYTES:start])) | {METADATA: dict(metadata)}
    digest = _digest(header)
    digest.update(raw[start:])
    text = _canonical(header | {METADATA: {**metadata, CHECKSUM: digest.hexdigest()}})
    text += b" " * (-len(text) % ALIGNMENT)
    return b"".join([len(text).to_bytes(LENGTH_BYTES, "little"), text, raw[start:]])


def is_intact(path: Path) -> bool:
    """Whether a file's checksum holds; true of one that has none, as other tools and earlier versions write them.

    Raises:
        OSError, ValueError: it cannot be read, or is no safetensors file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError("its header is too long")
        header = _read_header(file.read(length))
        metadata = dict(header.get(METADATA, {}))
        written = metadata.pop(CHECKSUM, None)
        if written is None:
            return True
        digest = _digest(header | {METADATA: metadata})
        while piece := file.read(PIECE):
            digest.update(piece)
        return digest.hexdigest() == written


def _read_header(text: bytes) -> Header:
    """A header as a table with a table of metadata. Raises `ValueError` where it is none."""
    try:
        header = json.loads(text)
    except RecursionError as error:
        raise ValueError("its header nests too deep") from error
    if not isinstance(header, dict) or not isinstance(header.get(METADATA, {}), dict):
        raise ValueError("its header is no table of tensors")
    return header


def _digest(header: Header) -> hashlib._Hash:
    return hashlib.sha256(_canonical(header))


def _canonical(header: Header) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
