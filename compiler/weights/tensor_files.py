"""Tensors by name in a safetensors file, or in the shards of one.

Nothing is unpickled, and a tensor is read when it is asked for and not before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open

from mai.compiler.weights import adapters, policy
from mai.compiler.weights.gguf_file import SUFFIX, GgufUnread, parts_of, read_gguf
from mai.compiler.weights.modules import DENSE, MODULES, read_modules
from mai.compiler.weights.packed.methods import packing_beside, unpacked
from mai.compiler.weights.packed.parts import Packed
from mai.compiler.weights.readable import Readable
from mai.compiler.weights.sealed import is_intact
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.source import Span

INDEX = ".safetensors.index.json"
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
NAMES = (
    "weights.safetensors", "model.safetensors", f"model{INDEX}",
    "diffusion_pytorch_model.safetensors", f"diffusion_pytorch_model{INDEX}",
)  # fmt: skip
MERGE = "where its kind allows that, peft makes one model of both: `merge_and_unload()`, then `save_pretrained`"
POINTER = b"version https://git-lfs"  # The beginning of a file that stands for a large one.
PIPELINE = "model_index.json"  # In the folder of a sampler of diffusers, whose networks lie in folders below it.
NETWORKS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
MAX_INDEX_BYTES = 100_000_000
MAX_NAME = 1000
LENGTH_BYTES = 8  # Of the length of a safetensors file's header.
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64, "I32": torch.int32,
    "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool, "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.float8_e8m0fnu,
}  # fmt: skip


class Index(BaseModel):
    """The index of a model in several files: which file each tensor is in."""

    weight_map: dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies: its open file, its dtype there, its shape, and where its bytes begin and end."""

    file: BufferedReader
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int

    def read(self) -> torch.Tensor:
        """The tensor, in memory of its own: a map of the file would stay in memory as long as there is room."""
        count = (self.end - self.start) // self.dtype.itemsize
        if not count:
            return torch.zeros(self.shape)
        raw = bytearray(self.end - self.start)
        self.file.seek(self.start)
        if self.file.readinto(raw) != len(raw):
            raise OSError("the file is cut short")
        return torch.frombuffer(raw, dtype=self.dtype, count=count).reshape(self.shape)

    def row(self, place: int) -> Place:
        """One place on the first axis, which stays, of size 1."""
        size = (self.end - self.start) // self.shape[0]
        begin = self.start + place * size
        return Place(self.file, self.dtype, (1, *self.shape[1:]), begin, begin + size)


class TensorFiles:
    """One or several open safetensors files; `shapes` has the shape of every tensor by name.

    Of an adapter, `base` is the folder of its base model, and `adapted` names the tensors that are not as they are there. Of packed
    tensors, `packing` names what packed them.

    Args:
        path: a .safetensors file, a .gguf file of llama.cpp, or one of several, the .safetensors.index.json of several, a folder with one of the usual names in it, the
            model_index.json of a pipeline, whose tensors are called by their parts, `unet.conv_in.weight`, the modules.json of
            sentence-transformers, or the adapter_config.json of an adapter, which is added to its base model.
        span: the place in the spec that names the file, where errors are reported.
        inside: where given, a folder that all files must lie in, after symbolic links are followed.

    Raises:
        MaiError: `weights-missing`, `weights-pickle`, `path-outside`, `weights-mismatch` for a file that cannot be read, or
            `config-unknown` for an adapter of which something is not known.
    """

    def __init__(self, path: Path, span: Span | None = None, inside: Path | None = None) -> None:
        self.path, self.span, self.inside = weights_file(path), span, inside
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._places: dict[str, Readable] = {}
        self._paths: list[Path] = []
        self.metadata: dict[str, str] = {}
        self.base: Path | None = None
        self.adapted: tuple[str, ...] = ()
        self.packing = ""
        self._open = ExitStack()
        try:
            special = self._special()
            if special is not None:
                self._check(self.path)
                special()
                return
            for file in self._files():
                self._add(file)
            self._unpack()
        except (SafetensorError, OSError) as error:
            message = f"{self.path} is not a safetensors file: {error}"
            raise self.error("weights-mismatch", message, help=self._pointer()) from error

    def __enter__(self) -> TensorFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def read(self, name: str, row: int | None = None) -> torch.Tensor:
        """One tensor in float32, or one row of it, [1, ...].

        Raises:
            MaiError: `weights-mismatch`: it cannot be read.
        """
        try:
            place = self._places[name]
            if row is None:
                return place.read().float()
            if isinstance(place, Place) or (isinstance(place, Packed) and place.has_rows):
                return place.row(row).read().float()
            return place.read()[row : row + 1].float()
        except OSError as error:
            raise self.error("weights-mismatch", f"{self.path}: `{name}` cannot be read: {error}") from error

    def _unpack(self) -> None:
        """Join the tensors that another library packed and keeps in parts, as the config beside them says."""
        said = packing_beside(self.path)
        try:
            places = unpacked(self._places, said) if said else self._places
        except ValueError as error:
            raise self.error("weights-mismatch", f"{self.path}: {error}") from error
        if places.keys() != self._places.keys():
            self.packing, self._places = str(said["quant_method"]), places
            self.shapes = {name: place.shape for name, place in places.items()}

    def check(self) -> None:
        """Raise `MaiError`, `weights-mismatch`, for a file that mai wrote and that is not as it was written."""
        for file in self._paths:
            if not is_intact(file):
                message = f"{file} is damaged: its checksum does not match"
                raise self.error("weights-mismatch", message, help="take it from a backup, or train again")

    def _pointer(self) -> str | None:
        """What to do where a file is not the one that is meant, but says where it lies."""
        for file in (f for f in (self.path, *self._paths) if f.is_file()):
            with file.open("rb") as opened:
                if opened.read(len(POINTER)) == POINTER:
                    return f"{file.name} is a pointer of Git LFS: `git lfs pull` gets the tensors"
        return None

    def _special(self) -> Callable[[], None] | None:
        """What opens a path that is no safetensors file nor an index of such; None for others."""
        if self.path.suffix.lower() == SUFFIX:
            return self._add_gguf
        kinds = {
            PIPELINE: self._add_parts, adapters.CONFIG: self._add_adapted, MODULES: self._add_modules, policy.BEFORE: self._add_policy,
        }  # fmt: skip
        return kinds.get(self.path.name)

    def _add_gguf(self) -> None:
        """Open a file of llama.cpp."""
        for part in parts_of(self.path):
            self._check(part)
        try:
            self._take(read_gguf(self.path).tensors)
        except GgufUnread as error:
            raise self.error("weights-mismatch", f"{self.path}: {error}", help=error.help) from error

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
            self._check(self.path.with_name(name), f"{self.path.name} names it: copy or download that file, too")
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

    def _check(self, path: Path, missing: str | None = None) -> None:
        if path.suffix.lower() in PICKLES:
            message = f"{path} is a pickle: reading it could run code"
            raise self.error("weights-pickle", message, help="save the tensors as .safetensors")
        if not path.is_file():
            raise self.error("weights-missing", f"there are no weights at {path}", help=missing)
        if self.inside is not None and not path.resolve().is_relative_to(self.inside.resolve()):
            help = "name it on the command line with --weights"
            raise self.error("path-outside", f"{path} leads out of the spec's folder", help=help)

    def _add_parts(self) -> None:
        """Open the networks of a pipeline; one of its folders that is no network is not read."""
        for name in NETWORKS:
            if (self.path.parent / name).is_dir():
                part = self._part(self.path.parent / name)
                self._take({f"{name}.{tensor}": place for tensor, place in part._places.items()})

    def _add_modules(self) -> None:
        """Open a model of sentence-transformers, and the matrices behind it, which are called `2_Dense.linear.weight` by their places."""
        folder = self.path.parent
        self._take(self._part(base_file(folder))._places)
        try:
            modules = read_modules(folder)
        except ValueError as error:
            raise self.error("weights-mismatch", f"{self.path} cannot be read: {error}") from error
        for place, module in enumerate(modules):
            if module.kind == DENSE:
                if module.folder in ("", "..") or Path(module.folder).name != module.folder:
                    raise self.error(
                        "path-outside", f"{self.path} names `{module.folder}`, which is no folder beside it"
                    )
                part = self._part(base_file(folder / module.folder))
                self._take({f"{place}_{DENSE}.{name}": tensor for name, tensor in part._places.items()})

    def _add_policy(self) -> None:
        """Open a policy of LeRobot and the statistics beside it, `observation.state.mean`."""
        folder = self.path.parent
        self._take(self._part(base_file(folder))._places)
        try:
            statistics = policy.read_statistics(folder)
        except ValueError as error:
            raise self.error("config-unknown", f"{folder}: {error}") from error
        for file, names in statistics.items():
            if Path(file).name != file or file in ("", ".."):
                raise self.error("path-outside", f"{self.path} names `{file}`, which is not beside it")
            places = self._part(folder / file)._places
            self._take({name: places[name] for name in names if name in places})

    def _add_adapted(self) -> None:
        """Open an adapter and its base model, whose tensors are those of both together."""
        try:
            config = adapters.read_adapter(self.path)
        except ValueError as error:
            raise self.error("config-unknown", f"{self.path}: {error}", help=MERGE) from error
        folder = next((f for f in adapters.base_places(self.path, config) if base_file(f).is_file()), None)
        if folder is None:
            message = f"{self.path} is of the base model `{config.base_model_name_or_path}`, whose folder is not here"
            help = f"put it beside {self.path.parent}, or its path into `base_model_name_or_path`"
            raise self.error("weights-missing", message, help=help)
        self.base = folder
        base, own = self._part(base_file(folder)), self._part(self.path.with_name(adapters.TENSORS))
        self._take(base._places)
        self.packing = base.packing
        try:
            changed = adapters.adapted(config, base._places, own._places)
        except ValueError as error:
            raise self.error("weights-mismatch", f"{own.path}: {error}") from error
        self._take(changed)
        self.adapted = tuple(changed)

    def _part(self, path: Path) -> TensorFiles:
        """Files that are a part of these."""
        part = self._open.enter_context(TensorFiles(path, self.span, self.inside))
        self._paths += part._paths
        return part

    def _take(self, places: Mapping[str, Readable]) -> None:
        self._places |= places
        self.shapes |= {name: place.shape for name, place in places.items()}

    def _add(self, file: Path) -> None:
        self._paths.append(file)
        with safe_open(file, framework="pt") as opened:  # It judges the whole header.
            self.metadata |= opened.metadata() or {}
        for name, place in _places(self._open.enter_context(file.open("rb"))).items():
            if not name.isprintable() or '"' in name or len(name) > MAX_NAME:
                message = f"{file} has a tensor whose name no rule can say: {name[:40]!a}"
                raise self.error("weights-mismatch", message)
            if not isinstance(place, Place):
                raise self.error("weights-mismatch", f"{file}: `{name}` is of {place}, which is not read here")
            self.shapes[name], self._places[name] = place.shape, place

    def error(self, slug: str, message: str, *, help: str | None = None) -> MaiError:
        """An error at the place in the spec that names the file."""
        return MaiError([Diagnostic(slug, self.span, message, help=help)])


def _places(file: BufferedReader) -> dict[str, Place | str]:
    """The tensors of a file whose header was judged; the dtype alone of what is of none that is known."""
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    header = json.loads(file.read(length))
    begin = LENGTH_BYTES + length
    return {
        name: Place(
            file, DTYPES[entry["dtype"]], tuple(entry["shape"]), *(begin + offset for offset in entry["data_offsets"])
        )
        if entry["dtype"] in DTYPES
        else str(entry["dtype"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def metadata_of(path: Path | None) -> dict[str, str]:
    """What a file of weights says of itself; nothing where there is no file. Raises `MaiError` as opening it does."""
    if path is None:
        return {}
    with TensorFiles(path) as files:
        return files.metadata


def weights_file(path: Path) -> Path:
    """The file of weights in a folder: a run's, a model's, or the index of its shards; a path that is no folder as it is."""
    if not path.is_dir():
        return path
    adapter = path / adapters.CONFIG
    return adapter if adapter.is_file() else base_file(path)


def base_file(path: Path) -> Path:
    """The file of weights in a folder, without an adapter that lies there, too."""
    return next((path / name for name in (*NAMES, PIPELINE) if (path / name).is_file()), path / NAMES[0])
