"""A model's file as it is written: its manifest comes last, since what the gate finds is in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import onnx
import onnx_ir as ir

from mai.compiler.onnx.writing.pieces import Piece, write_apart, write_whole
from mai.runtime.files import mapped
from mai.runtime.model.checksum import checksum
from mai.runtime.model.data import data_path
from mai.runtime.model.manifest import MANIFEST_KEY, Data, Manifest


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A file that can be opened and run, but for its manifest."""

    path: Path
    manifest: Manifest

    def seal(self, **fields: object) -> None:
        """Put the manifest to the end; `fields` are those of it that were not known before.

        What follows a protobuf message is one with it.
        """
        end = onnx.ModelProto()
        end.metadata_props.add(key=MANIFEST_KEY, value=self.manifest.model_copy(update=fields).model_dump_json())
        with self.path.open("ab") as file:
            file.write(end.SerializeToString())

    @property
    def size(self) -> int:
        """The bytes of the file, and of the data beside it."""
        beside = self.manifest.data
        return self.path.stat().st_size + (beside.size if beside else 0)


def write_unsealed(model: ir.Model, path: Path, *, apart: bool, turns_of: str | None = None) -> Unsealed:
    """Write a described model to a file; where `apart`, its large tensors into a file of data beside.

    A file of turns says whose they are: `turns_of` is the identity of that file.
    """
    manifest = Manifest.model_validate_json(model.metadata_props.pop(MANIFEST_KEY))
    data: Data | None = None
    with path.open("wb") as opened:
        file = _Summed(opened)
        if apart:
            with data_path(path).open("wb") as beside:
                summed = _Summed(beside)
                write_apart(model, data_path(path).name, file.write, summed.write)
            data = summed.record
        else:
            write_whole(model, file.write)
    with mapped(path) as raw:
        written = {"checksum": checksum(raw), "data": data, "file": file.record, "turns_of": turns_of}
    return Unsealed(path, manifest.model_copy(update=written))


class _Summed:
    """A file that is written, and the SHA-256 of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.hash, self.size = file, hashlib.sha256(), 0

    @property
    def record(self) -> Data:
        """What a manifest says of it."""
        return Data(size=self.size, sha256=self.hash.hexdigest())

    def write(self, piece: Piece) -> None:
        self._file.write(piece)
        self.hash.update(piece)
        self.size += len(piece)
