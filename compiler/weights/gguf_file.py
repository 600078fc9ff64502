"""Files of llama.cpp (GGUF): what they say of a model, and its tensors by transformers' names, in float32 as they are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mai.compiler.weights.readable import Readable
from mai.runtime.files import plain_file
from mai.spec.family_records import family_records

SUFFIX = ".gguf"
FACTORS = "rope_freqs.weight"  # By which the rates of rotary positions are divided (Llama 3.1 and later).
# The name of one file of a model in several.
PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
EXPERT = "{e}"  # In a name, the number of one expert.
LAYER = re.compile(r"blk\.(?P<layer>\d+)\.")


class GgufUnread(ValueError):
    """Why a file of llama.cpp cannot be read; `help` says what to do."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True, slots=True)
class GgufFile:
    """An opened file.

    Attributes:
        kind: its `general.architecture`.
        metadata: what it says, by its keys.
        tensors: by transformers' names.
        factors: by which the rates of rotary positions are divided; None where they are as they are.
    """

    kind: str
    metadata: Mapping[str, object]
    tensors: Mapping[str, Readable]
    factors: torch.Tensor | None


@dataclass(frozen=True, slots=True)
class Block:
    """A tensor of the file.

    Attributes:
        shape: of it, or of one expert's part.
        heads: where its rows are put pair by pair in each of so many heads, as llama.cpp turns them.
        expert: which expert's part it is, where those of a layer are kept together.
        added: what was added to it.
    """

    tensor: Any
    shape: tuple[int, ...]
    heads: int = 0
    expert: int | None = None
    added: float = 0.0

    def read(self) -> torch.Tensor:
        """The tensor in float32, its rows where transformers has them. Raises `OSError`: its kind of few bits is not known."""
        from gguf import dequantize

        data = self.tensor.data if self.expert is None else self.tensor.data[self.expert]
        try:
            array = np.array(dequantize(data, self.tensor.tensor_type), np.float32)
        except (NotImplementedError, ValueError, KeyError) as error:
            raise OSError(f"its numbers cannot be read: {error}") from error
        values = torch.from_numpy(array).reshape(self.shape) - self.added
        if not self.heads:
            return values
        return values.reshape(self.heads, -1, 2, *self.shape[1:]).transpose(1, 2).reshape(self.shape)


def parts_of(path: Path) -> list[Path]:
    """The files of a model of which one is named, in their order: llama.cpp numbers them in their names. A file without such a number is alone."""
    named = PART.fullmatch(path.name)
    if named is None or not 1 <= int(named["number"]) <= int(named["count"]):
        return [path]
    numbers = range(1, int(named["count"]) + 1)
    return [path.with_name(f"{named['stem']}-{n:05d}-of-{named['count']}{path.suffix}") for n in numbers]


def stem_of(path: Path) -> str:
    """What a model in one file or several is called."""
    named = PART.fullmatch(path.name)
    return named["stem"] if named else path.stem


def read_gguf(path: Path) -> GgufFile:
    """Open a file, or all files of a model of which it is one.

    Raises:
        GgufUnread: it cannot be read, or is of a kind that is not known.
        OSError: there is no such file.
    """
    files = [plain_file(part) for part in parts_of(path)]
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise GgufUnread("files of llama.cpp need the package `gguf`", "pip install gguf") from error
    try:
        readers = [GGUFReader(file) for file in files]
        metadata = {name: field.contents() for name, field in readers[0].fields.items()}
        blocks = {str(t.name): t for reader in readers for t in reader.tensors}
    except Exception as error:  # The package raises what its arrays do, of any kind.
        raise GgufUnread(f"it cannot be read: {error}") from error
    kind = str(metadata.get("general.architecture"))
    kinds = family_records()["gguf"]["kinds"]
    if kind not in kinds:
        raise GgufUnread(f"`general.architecture` is {kind[:60]!r}", f"known here: {', '.join(kinds)}")
    _check_parts(metadata, len(files), len(blocks))
    factors = blocks.pop(FACTORS, None)
    tensors = {name: block for n, t in blocks.items() for name, block in _blocks(n, t, kind, metadata)}
    return GgufFile(kind, metadata, tensors, None if factors is None else Block(factors, _shape(factors)).read())


def _check_parts(metadata: Mapping[str, object], files: int, tensors: int) -> None:
    """Raise `GgufUnread` where a model's files are not those that the first of them speaks of."""
    count = metadata.get("split.count") or 1
    if count != files:
        message = (
            f"it says that its model is in {count} file{'s' * (count != 1)}, and its name that it is one of {files}"
        )
        raise GgufUnread(message, "names of parts end with -00001-of-00002.gguf, as llama.cpp writes them")
    stated = metadata.get("split.tensors.count", tensors)
    if stated != tensors:
        raise GgufUnread(f"its {files} files have {tensors} tensors together, and the model {stated}")


def _name(name: str, kind: str) -> str:
    """What a tensor is called in transformers; its own name where no table says so, and nothing will take it."""
    record = family_records()["gguf"]
    layer = LAYER.match(name)
    stem, _, end = name.rpartition(".")
    number = layer["layer"] if layer else ""
    general = f"blk.{{i}}.{stem[layer.end() :]}" if layer else stem
    other = {**record["tensors"], **record["kinds"][kind].get("tensors", {})}.get(f"{general}.*")
    return name if other is None else str(other).replace("{i}", number).replace("*", end)


def _blocks(name: str, tensor: Any, kind: str, metadata: Mapping[str, object]) -> Iterator[tuple[str, Block]]:
    """What transformers has of a tensor: itself, or the parts of so many experts."""
    if not name.isprintable() or '"' in name:
        raise GgufUnread(f"a tensor has the name {name[:40]!a}, which no rule can say")
    other, shape = _name(name, kind), _shape(tensor)
    if EXPERT in other:
        yield from ((other.replace(EXPERT, str(e)), Block(tensor, shape[1:], expert=e)) for e in range(shape[0]))
        return
    added = float(bool(family_records()["gguf"]["kinds"][kind].get("norms_and_one")) and "norm." in name)
    yield other, Block(tensor, shape, _heads(name, shape, kind, metadata), added=added)


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in reversed(tensor.shape))


def _heads(name: str, shape: tuple[int, ...], kind: str, metadata: Mapping[str, object]) -> int:
    """In how many heads the rows of a tensor are put pair by pair; 0 where they are not."""
    if not family_records()["gguf"]["kinds"][kind]["paired"]:
        return 0
    count = metadata.get(f"{kind}.attention.head_count")
    of_keys = metadata.get(f"{kind}.attention.head_count_kv", count)
    chosen = next((n for part, n in ((".attn_q.", count), (".attn_k.", of_keys)) if part in name), 0)
    if not isinstance(chosen, int) or (chosen and (chosen < 0 or shape[0] % (2 * chosen))):
        raise GgufUnread(f"`{name}` {list(shape)} does not fit {chosen!r} heads")
    return chosen
