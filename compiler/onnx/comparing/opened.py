"""Models as sessions, whatever their size: those that are compared with, and never written, may be more than one file holds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx_ir as ir
import onnxruntime as ort

from mai.compiler.onnx.lowering.build import serialised
from mai.compiler.onnx.writing.pieces import write_apart
from mai.runtime.model.data import data_path
from mai.runtime.model.session import ONE_COPY, session_options

NODE_BYTES = 512  # Of a node in a file, with its names and the line that it is from: on the safe side.
IN_MEMORY = 1 << 28  # Bytes of a model that is opened without a file.


def model_bytes(model: ir.Model) -> int:
    """How many bytes a model's file has, at most: its tensors as they are written, folded constants among them, and its nodes."""
    tensors = [v.const_value for graph in model.graphs() for v in graph.initializers.values()]
    nodes = sum(1 for _ in model.graph.all_nodes())
    return sum(t.nbytes for t in tensors if t is not None) + NODE_BYTES * (nodes + len(tensors))


def opened(model: ir.Model, most: int = IN_MEMORY) -> ort.InferenceSession:
    """A model on the CPU, with the options of the runtime; with more than `most` bytes it is read from a temporary folder."""
    providers = ["CPUExecutionProvider"]
    if model_bytes(model) <= most:
        return ort.InferenceSession(serialised(model), session_options(), providers=providers)
    with tempfile.TemporaryDirectory(prefix="mai-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "model.onnx"
        with path.open("wb") as file, data_path(path).open("wb") as data:
            write_apart(model, data_path(path).name, file.write, data.write)
        options = session_options()
        options.add_session_config_entry(*ONE_COPY)
        return ort.InferenceSession(path, options, providers=providers)
