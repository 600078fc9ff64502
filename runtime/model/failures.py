"""Errors of a compiled file in a user's words: why it cannot be opened, and why a call of it failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import FORMAT, MANIFEST_KEY, Port
from mai.runtime.model.mapping import is_ort
from mai.runtime.model.wire import Buffer

MAX_LINE = 300  # Characters of ONNX Runtime's message that are shown.
# The format is the first entry of a manifest, so that it can be read where the rest of a newer file cannot.
STATED_FORMAT = re.compile(re.escape(MANIFEST_KEY.encode()) + rb'[^{]{1,8}\{"format": ?(\d+)', re.DOTALL)
BF16 = re.compile(rb'"precision":"bf16"')  # In a manifest.
# What ONNX Runtime, torch and C++ say where there is not enough memory.
NO_MEMORY = re.compile(
    r"Failed to allocate memory|AllocateRawInternal|bad[_ ]alloc|Integer overflow|can't allocate memory|out of memory"
)
# What ONNX Runtime says of an index that is beyond its axis.
BEYOND = re.compile(
    r"idx=(?P<place>-?\d+) must be within the inclusive range \[-?\d+,(?P<last>-?\d+)\]|Out of range value in index tensor"
)
# The first bytes of an ONNX file: the field `ir_version` of a `ModelProto`, then the key of another of its fields.
ONNX_START = re.compile(rb"\x08[\x01-\x7f][\x12\x1a\x22\x28\x32\x3a\x42\x72]")


def unreadable_error(path: Path, raw: Buffer, error: Exception) -> ModelError:
    """Why the bytes of a file are no model: of a newer mai, cut short, of a precision without kernels, or not mai's at all."""
    if "NOT_IMPLEMENTED" in str(error) and BF16.search(raw):
        message = f"{path.name} is in bf16, which nothing here has kernels for: {first_line(error)}"
        help = "a GPU with CUDA; or compile it with --precision fp16 or float32"
        return ModelError("precision-unsupported", message, help)
    stated = STATED_FORMAT.search(raw)
    if stated and int(stated[1]) > FORMAT:
        return newer_error(path, int(stated[1]))
    if path.suffix == ".mai":
        return ModelError("model-foreign", f"{path} is a spec", f"compile it first: mai compile {path}")
    if is_ort(raw):
        help = "convert it again, by the same onnxruntime or an earlier one"
        return ModelError(
            "model-truncated", f"{path} is damaged, or of another version of onnxruntime: {first_line(error)}", help
        )
    if not ONNX_START.match(raw):
        remedy = "`mai compile SPEC --weights FILE` makes one of weights" if path.suffix == ".safetensors" else None
        return ModelError("model-foreign", f"{path} is no ONNX file", remedy)
    if re.search(MANIFEST_KEY.encode(), raw) or b"mai" in bytes(raw[:64]):
        return ModelError("model-truncated", f"{path} is damaged or cut short", "compile or copy it again")
    return ModelError("model-foreign", f"{path} is not a file that mai compiled: {first_line(error)}")


def newer_error(path: Path, format: int) -> ModelError:
    """The error for a file whose manifest has a format later than this runtime reads."""
    message = f"{path} has format {format}, this mai reads up to {FORMAT}"
    return ModelError("model-newer", message, "install a newer mai: in its clone, git pull, then pip install .")


def run_error(path: Path, inputs: Mapping[str, Port], feed: Mapping[str, Array], error: Exception) -> ModelError:
    """The error for a run that ONNX Runtime broke off.

    A size or a number that only the call knows is often the cause, so the message names those of its arrays, inputs [batch, ...]
    and settings [].
    """
    if is_of_memory(error):
        message = f"{path.name} needs more memory for this call than there is here"
        return ModelError("run-failed", message, "fewer examples, steps or tokens in a call")
    numbers = _numbers_of(inputs, feed)
    here = f"in this call {', '.join(f'`{name}` is {number}' for name, number in numbers.items())}" if numbers else None
    beyond = BEYOND.search(str(error))
    if beyond is None:
        return ModelError("run-failed", f"{path.name} failed: {first_line(error)}", here)
    place, last = beyond["place"], beyond["last"]
    read = "an index is beyond its axis" if place is None else f"it reads place {place} of an axis of {int(last) + 1}"
    return ModelError("index-out-of-range", f"{path.name} failed: {read}", here)


def _numbers_of(inputs: Mapping[str, Port], feed: Mapping[str, Array]) -> dict[str, str]:
    """The sizes that a call decides, and its whole numbers: of several examples, the least and the largest."""
    numbers: dict[str, str] = {}
    for name, port in inputs.items():
        if name in feed:
            pairs = zip(port.shape, feed[name].shape[feed[name].ndim - len(port.shape) :], strict=True)
            numbers |= {size: str(number) for size, number in pairs if isinstance(size, str)}
    for name, array in feed.items():
        if name != "seed" and array.dtype == np.int64 and array.size and not (name in inputs and inputs[name].shape):
            low, high = array.min(), array.max()
            numbers[name] = f"{low}" if low == high else f"from {low} to {high}"
    return numbers


def is_of_memory(error: Exception) -> bool:
    """Whether an error says that there is not enough memory; libraries in C++ raise it as one of any kind."""
    return isinstance(error, MemoryError) or NO_MEMORY.search(str(error)) is not None


def check_arrival(evaluations: Array) -> None:
    """Check that every adaptive solver reached the end of its interval; the results of one that did not are no numbers.

    Args:
        evaluations: how often the velocity was evaluated, an integer for each example; negative where a solver stopped
            at `max_steps`.

    Raises:
        ModelError: `not-arrived`, with the first examples that did not.
    """
    (failed,) = np.nonzero(evaluations.reshape(-1) < 0)
    if len(failed):
        rows = ", ".join(map(str, failed[:5])) + (", ..." if len(failed) > 5 else "")
        message = f"an adaptive solver did not arrive for {len(failed):,} of {evaluations.size:,} examples: {rows}"
        help = "allow a larger `max_steps` or a larger `rtol` and `atol` in the spec, or look at these inputs"
        raise ModelError("not-arrived", message, help)


def first_line(error: Exception) -> str:
    """The first line of an error of ONNX Runtime, at most 300 characters: what follows is its call stack."""
    return str(error).strip().split("\n")[0][:MAX_LINE]
