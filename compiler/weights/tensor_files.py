"""Tensors by name in a safetensors file, or in the shards of one.

Nothing is unpickled, and a tensor is read when it is asked for and not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open

from mai.compiler.weights.sealed import is_intact
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.source import Span

INDEX = ".safetensors.index.json"
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
NAMES = (
    "weights.safetensors", "model.safetensors", f"model{INDEX}",
    "diffusion_pytorch_model.safetensors", f"diffusion_pytorch_model{INDEX}",
)  # fmt: skip
PIPELINE = "model_index.json"  # In the folder of a sampler of diffusers, whose networks lie in folders below it.
NETWORKS = ("unet", "vae", "text_encoder")
MAX_INDEX_BYTES = 100_000_000
MAX_NAME = 1000


class Index(BaseModel):
    """The index of a model in several files: which file each tensor is in."""

    weight_map: dict[str, str]


class OpenFile(Protocol):
    """What is used of a file that `safetensors.safe_open` has opened."""

    def get_tensor(self, name: str) -> torch.Tensor:
        """One tensor, in the dtype of the file."""

    def metadata(self) -> dict[str, str] | None:
        """The metadata of the file."""


class TensorFiles:
    """One or several open safetensors files; `shapes` has the shape of every tensor by name.

    Args:
        path: a .safetensors file, the .safetensors.index.json of several, a folder with one of the usual names in it, or the
            model_index.json of a pipeline, whose tensors are called by their parts, `unet.conv_in.weight`.
        span: the place in the spec that names the file, where errors are reported.
        inside: where given, a folder that all files must lie in, after symbolic links are followed.

    Raises:
        MaiError: `weights-missing`, `weights-pickle`, `path-outside`, or `weights-mismatch` for a file that cannot be read.
    """

    def __init__(self, path: Path, span: Span | None = None, inside: Path | None = None) -> None:
        self.path, self.span, self.inside = weights_file(path), span, inside
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._places: dict[str, OpenFile] = {}
        self._parts: dict[str, TensorFiles] = {}
        self._paths: list[Path] = []
        self._open = ExitStack()
        try:
            if self.path.name == PIPELINE:
                self._add_parts()
                return
            for file in self._files():
                self._add(file)
        except (SafetensorError, OSError) as error:
            raise self.error("weights-mismatch", f"{self.path} is not a safetensors file: {error}") from error

    def __enter__(self) -> TensorFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, name: str) -> torch.Tensor:
        """One tensor in float32; where the file has float32 it is mapped, and read from the disk only as it is used.

        Raises:
            MaiError: `weights-mismatch`: it cannot be read.
        """
        part, _, rest = name.partition(".")
        if part in self._parts:
            return self._parts[part].read(rest)
        try:
            tensor: torch.Tensor = self._places[name].get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise self.error("weights-mismatch", f"{self.path}: `{name}` cannot be read: {error}") from error
        return tensor.float()

    def check(self) -> None:
        """Raise `MaiError`, `weights-mismatch`, for a file that mai wrote and that is not as it was written."""
        for part in self._parts.values():
            part.check()
        for file in self._paths:
            if not is_intact(file):
                message = f"{file} is damaged: its checksum does not match"
                raise self.error("weights-mismatch", message, help="take it from a backup, or train again")

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of all files, by key."""
        metadata: dict[str, str] = {}
        for place in dict.fromkeys(self._places.values()):
            metadata |= place.metadata() or {}
        return metadata

    def _files(self) -> Iterator[Path]:
        """The file, or those of its index, each checked before it is opened."""
        self._check(self.path)
        if not self.path.name.endswith(INDEX):
            yield self.path
            return
        index = self._index()
        for name in sorted(set(index.weight_map.values())):
            if Path(name).name != name or "\\" in name or name in ("", ".", ".."):
                raise self.error("path-outside", f"{self.path} names the shard `{name}`, which is not beside it")
            self._check(self.path.with_name(name))
            yield self.path.with_name(name)
        absent = sorted(index.weight_map.keys() - self.shapes.keys())
        if absent:
            raise self.error("weights-mismatch", f"{self.path} names `{absent[0]}`, which its shards lack")

    def _index(self) -> Index:
        try:
            if self.path.stat().st_size > MAX_INDEX_BYTES:
                raise self.error("weights-mismatch", f"{self.path} is too large for an index of tensors")
            return Index.model_validate_json(self.path.read_bytes())
        except ValidationError as error:
            message = f"{self.path} is no index of tensors: {error.errors()[0]['msg']}"
            raise self.error("weights-mismatch", message) from error

    def _check(self, path: Path) -> None:
        if path.suffix.lower() in PICKLES:
            message = f"{path} is a pickle: reading it could run code"
            raise self.error("weights-pickle", message, help="save the tensors as .safetensors")
        if not path.is_file():
            raise self.error("weights-missing", f"there are no weights at {path}")
        if self.inside is not None and not path.resolve().is_relative_to(self.inside.resolve()):
            help = "name it on the command line with --weights"
            raise self.error("path-outside", f"{path} leads out of the spec's folder", help=help)

    def _add_parts(self) -> None:
        """Open the networks of a pipeline; one of its folders that is no network is not read."""
        self._check(self.path)
        for name in NETWORKS:
            if (self.path.parent / name).is_dir():
                part = self._open.enter_context(TensorFiles(self.path.parent / name, self.span, self.inside))
                self._parts[name] = part
                self.shapes |= {f"{name}.{tensor}": shape for tensor, shape in part.shapes.items()}

    def _add(self, file: Path) -> None:
        opened = self._open.enter_context(safe_open(file, framework="pt"))
        self._paths.append(file)
        for name in opened.keys():  # noqa: SIM118
            if not name.isprintable() or '"' in name or len(name) > MAX_NAME:
                message = f"{file} has a tensor whose name no rule can say: {name[:40]!a}"
                raise self.error("weights-mismatch", message)
            self.shapes[name] = tuple(opened.get_slice(name).get_shape())
            self._places[name] = opened

    def error(self, slug: str, message: str, *, help: str | None = None) -> MaiError:
        """An error at the place in the spec that names the file."""
        return MaiError([Diagnostic(slug, self.span, message, help=help)])


def weights_file(path: Path) -> Path:
    """The file of weights in a folder: a run's, a model's, or the index of its shards; a path that is no folder as it is."""
    if not path.is_dir():
        return path
    return next((path / name for name in (*NAMES, PIPELINE) if (path / name).is_file()), path / NAMES[0])
