"""Metadata, and one file written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import onnx_ir as ir

import mai
from mai.compiler.ir.graph import Graph, Setting, Value
from mai.compiler.ir.types import BATCH_DEPTH
from mai.compiler.program import Program
from mai.runtime.manifest import MANIFEST_KEY, SPEC_KEY, Manifest, Port


def manifest_of(
    program: Program, graph: Graph, *, opset: int, unrolled: bool = False, trained_steps: int | None = None
) -> Manifest:
    """What the file will say of itself."""
    return Manifest(
        name=program.name,
        export=graph.name,
        title=program.title,
        inputs=[_port(v, v.name, "input") for v in graph.inputs],
        settings=[_setting(name, s) for name, s in graph.settings.items()],
        outputs=[_port(v, n, "output") for v, n in zip(graph.outputs, graph.output_names, strict=True)],
        spec_sha256=hashlib.sha256(program.source.text.encode()).hexdigest(),
        versions={"mai": mai.__version__, **_versions("onnx-ir", "torch")},
        opset=opset,
        draws="seed" in graph.settings,
        unrolled=unrolled,
        trained_steps=trained_steps,
    )


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _port(value: Value, name: str, kind: Literal["input", "output"]) -> Port:
    classes = value.type.classes
    top = classes if isinstance(classes, int) else None
    bounded = kind == "input" and top is not None
    return Port(
        name=name,
        kind=kind,
        dtype=value.type.dtype.value,
        shape=[s if isinstance(s, int) else str(s) for s in value.type.shape],
        batch=any(a.depth == BATCH_DEPTH for a in value.type.lead),
        minimum=0 if bounded else None,
        maximum=top - 1 if bounded and top is not None else None,
        classes=top,
    )


def _setting(name: str, setting: Setting) -> Port:
    return Port(
        name=name,
        kind="setting",
        dtype=setting.value.type.dtype.value,
        default=setting.default,
        minimum=setting.minimum,
        maximum=setting.maximum,
    )


def describe(model: ir.Model, manifest: Manifest, spec: str) -> None:
    """Put the manifest and the spec's text into the model."""
    model.producer_name, model.producer_version = "mai", mai.__version__
    model.metadata_props[MANIFEST_KEY] = manifest.model_dump_json()
    model.metadata_props[SPEC_KEY] = spec


def write_atomically(path: Path, raw: bytes) -> None:
    """A reader sees the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
