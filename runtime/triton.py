"""A model repository of Triton Inference Server: a folder for each file, with its config.pbtxt.

The fields are those of Triton's `model_config.proto`, in the text format of protocol buffers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically
from mai.runtime.inputs.labels import result_names
from mai.runtime.model.data import data_path
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.model.model import Model
from mai.runtime.serving.sharing import is_shareable


class Word(str):
    """A name of an enumeration, which stands without quotes."""


Fields = dict[str, Any]  # Of a message of Triton's configuration: numbers, texts, lists, and messages in it.
TYPES = {"float32": Word("TYPE_FP32"), "int64": Word("TYPE_INT64"), "bool": Word("TYPE_BOOL")}
FILE, CONFIG, VERSION = "model.onnx", "config.pbtxt", "1"
FREE = -1  # A size that a request decides.
MOST_EXAMPLES, DELAY = 32, 2000  # In a call that requests share; microseconds that one waits for others.


def write_repository(folder: Path, models: Sequence[Model]) -> tuple[list[str], list[str]]:
    """Write a repository: `NAME/config.pbtxt`, `NAME/1/model.onnx`, and a list of labels for each output that has a number for each.

    Args:
        folder: the repository; files of the same names in it are replaced, all others stay.
        models: the files, each under its name without `.onnx`.

    Returns:
        The models of it, and notes: files without inputs, which Triton does not run and are left out, and settings that nobody can set.

    Raises:
        ModelError: `out-unknown`: two files have one name, or none has inputs.
        OSError: something cannot be written.
    """
    names = [model.path.stem for model in models]
    for name in names:
        if names.count(name) > 1:
            raise ModelError(
                "out-unknown", f"several files would be the model {name}", "write them to folders of their own"
            )
    with_inputs = [model for model in models if _inputs(model.manifest)]
    without = [model.path.name for model in models if not _inputs(model.manifest)]
    why, help = "Triton runs models with inputs", "mai compile --settings required makes inputs of settings"
    if not with_inputs:
        raise ModelError(
            "out-unknown", f"{why}, and {', '.join(without)} {'has' if len(without) == 1 else 'have'} none", help
        )
    left_out = (
        [f"{', '.join(without)} {'is' if len(without) == 1 else 'are'} left out: {why}; {help}"] if without else []
    )
    notes = [note for model in with_inputs for note in _write(folder / model.path.stem, model)]
    return [model.path.stem for model in with_inputs], left_out + notes


def _write(folder: Path, model: Model) -> Iterator[str]:
    """One model's folder, and notes on it."""
    manifest = model.manifest
    (folder / VERSION).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model.path, folder / VERSION / FILE)
    if manifest.data is not None:
        beside = data_path(model.path)
        shutil.copyfile(beside, folder / VERSION / beside.name)  # The name that the file itself refers to.
    for port in manifest.outputs:
        if names := _labels(manifest, port):
            write_atomically(folder / _label_file(port), ("\n".join(names) + "\n").encode())
    write_atomically(folder / CONFIG, as_text(config(model.path.stem, manifest)).encode())
    fixed = [port.name for port in manifest.settings] if not manifest.required else []
    if fixed:
        yield f"{model.path.name}: Triton leaves {', '.join(fixed)} at the defaults: --settings required makes inputs of settings"


def config(name: str, manifest: Manifest) -> Fields:
    """The fields of one model's `ModelConfig`.

    A file whose inputs and outputs all have the batch first is batched by Triton, up to 32 examples; requests share a call where an example's
    results are the same whatever stands beside it. In any other file the batch is an axis like the others.
    """
    batched = _is_batched(manifest)
    fields: Fields = {
        "name": name,
        "backend": "onnxruntime",
        "default_model_filename": FILE,
        "max_batch_size": MOST_EXAMPLES if batched else 0,
        "input": [_tensor(port, batched) for port in _inputs(manifest)],
        "output": [_tensor(port, batched) | _label_field(manifest, port) for port in manifest.outputs],
        "instance_group": [{"kind": Word("KIND_AUTO"), "count": 1}],
    }
    if batched and is_shareable(manifest):
        fields["dynamic_batching"] = {"max_queue_delay_microseconds": DELAY}
    return fields


def _inputs(manifest: Manifest) -> list[Port]:
    """What Triton gives to a file: its inputs, and settings that must be given."""
    return [*manifest.inputs, *(manifest.settings if manifest.required else [])]


def _is_batched(manifest: Manifest) -> bool:
    """Whether all that goes in and out has the batch first: a setting that is an input has none."""
    return bool(manifest.inputs) and all(port.batch for port in [*_inputs(manifest), *manifest.outputs])


def _tensor(port: Port, batched: bool) -> Fields:
    """A `ModelInput` or `ModelOutput`. Triton has no tensor without an axis: one number is [1], which is taken off or put on."""
    sizes = [size if isinstance(size, int) else FREE for size in port.shape]
    dims = sizes if batched or not port.batch else [FREE, *sizes]
    tensor: Fields = {"name": port.name, "data_type": TYPES[port.dtype], "dims": dims or [1]}
    return tensor if dims else tensor | {"reshape": {"shape": []}}


def _labels(manifest: Manifest, port: Port) -> list[str]:
    """The names of what a vector of numbers has one for each of; none where a name is no line."""
    names = result_names(manifest, port) if port.dtype == "float32" and len(port.shape) == 1 else []
    return names if all(name.splitlines() == [name] for name in names) else []


def _label_file(port: Port) -> str:
    return f"{port.name}_labels.txt"


def _label_field(manifest: Manifest, port: Port) -> Fields:
    return {"label_filename": _label_file(port)} if _labels(manifest, port) else {}


def as_text(fields: Mapping[str, Any], indent: str = "") -> str:
    """Fields as protocol buffers have them in text: a mapping is a message, a list a field that is repeated."""
    lines = []
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                inside = as_text(each, f"{indent}  ")
                lines.append(f"{indent}{name} {{\n{inside}{indent}}}\n")
            else:
                lines.append(f"{indent}{name}: {_scalar(each)}\n")
    return "".join(lines)


def _scalar(value: str | int) -> str:
    if isinstance(value, (int, Word)):
        return str(value)
    return json.dumps(value, ensure_ascii=False)
