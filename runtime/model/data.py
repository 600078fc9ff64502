"""The file of data beside a compiled file, where one file cannot hold all weights: `NAME.onnx` and `NAME.onnx.data`.

ONNX calls that external data. A file of mai has one, only ever beside it and under its own name, so that nothing else is ever read.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mai.runtime.errors import ModelError
from mai.runtime.files import plain_file, reason
from mai.runtime.model.checksum import sha256_of
from mai.runtime.model.manifest import Data
from mai.runtime.model.wire import Buffer, name_of, place_of

ENDING = ".data"


def data_path(path: Path) -> Path:
    """Where the data of a compiled file lie."""
    return path.with_name(path.name + ENDING)


def check_places(path: Path, tensors: Sequence[Buffer]) -> Path | None:
    """The file of data that a file reads, before ONNX Runtime opens it; None where it holds all of its tensors.

    Args:
        tensors: the bytes of each of those in the file at `path`.

    Raises:
        ModelError: `model-foreign`: it reads another file; `model-not-found`: the data are not there.
        ValueError: these bytes are no tensors.
    """
    wanted = data_path(path)
    outside = [(tensor, place.get("location", "")) for tensor in tensors if (place := place_of(tensor))]
    for tensor, location in outside:
        if location != wanted.name:
            message = f"{path} takes the tensor `{name_of(tensor)}` from outside of it, the file {location}"
            help = f"its data lie beside it, as {wanted.name}: compile it again, or give both the names that they had"
            raise ModelError("model-foreign", f"{message}: mai wrote no such file", help)
    if not outside:
        return None
    try:
        plain_file(wanted)
    except OSError as error:
        message = f"the weights of {path} lie beside it, in {wanted.name}: {reason(error)}"
        raise ModelError("model-not-found", message, "copy both files together") from error
    if wanted.resolve().parent != path.resolve().parent:
        message = f"{wanted} leads to {wanted.resolve()}, which is not beside {path.name}"
        raise ModelError("model-foreign", message, "copy both files into one folder")
    return wanted


def check_data(path: Path, stated: Data | None, *, whole: bool) -> None:
    """Compare the file of data at `path` with what the manifest of its file says; where `whole`, every byte of it.

    Raises:
        ModelError: `model-truncated`.
    """
    help = "copy or compile it again, both files together"
    if stated is None:
        raise ModelError("model-truncated", f"the manifest knows nothing of {path}", help)
    size = path.stat().st_size
    if size != stated.size:
        raise ModelError("model-truncated", f"{path} has {size:,} bytes, and {stated.size:,} were written", help)
    if whole and sha256_of(path) != stated.sha256:
        message = f"the weights in {path} are not those that mai wrote: it is damaged, or of another file"
        raise ModelError("model-truncated", message, help)


def save_copy(source: Path, target: Path) -> Path:
    """Copy a file to a path or into a folder; the files of its weights and of one turn go along. Raises `ModelError`."""
    from mai.runtime.text.stream import step_path

    place = target / source.name if target.is_dir() else target
    pairs = [(source, place), (step_path(source), step_path(place))]
    for old, new in pairs:
        if old.with_name(old.name + ENDING).exists() and old.name != new.name:
            message = f"the weights of {old.name} lie beside it, and it finds them by its name: it cannot be called {new.name}"
            raise ModelError("out-unknown", message, "name a folder")
    for old, new in pairs:
        for ending in ("", ENDING):
            if old.with_name(old.name + ending).exists():
                shutil.copyfile(old.with_name(old.name + ending), new.with_name(new.name + ending))
    return place
