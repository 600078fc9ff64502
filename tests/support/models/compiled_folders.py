"""Compiled files of a folder's spec, with the weights of the folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.model.model import Model


def compiled_files(
    program: Program, folder: Path, names: Sequence[str] = (), tokenizer: str | None = None
) -> dict[str, Model]:
    """These exports of a spec, or all of them, by name; their files are written to a folder."""
    trained = Trained(load_weights(program, None)[0], tokenizer=tokenizer)
    return {
        name: load(export(program, name, trained, folder).path, providers="cpu") for name in names or program.exports
    }


def compiled_file(program: Program, name: str, folder: Path, tokenizer: str | None = None) -> Model:
    """One of its exports."""
    return compiled_files(program, folder, [name], tokenizer)[name]
