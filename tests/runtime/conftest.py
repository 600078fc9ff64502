"""Small files such as the compiler writes, made by hand: the runtime is tested without the compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mai.runtime.model.manifest import MANIFEST_KEY, SPEC_KEY, Manifest, Port

DTYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}
SPEC = "# A file for tests.\nexport f(x: [2]) -> [2] { return x }\n"
Write = Callable[..., Path]


def real(name: str, *shape: int | str, **more: Any) -> Port:
    return Port(name=name, kind="input", dtype="float32", shape=list(shape), batch=True, **more)


def setting(name: str, default: float, dtype: str = "int64", minimum: float | None = None) -> Port:
    return Port(name=name, kind="setting", dtype=dtype, default=default, minimum=minimum)


def output(name: str, *shape: int | str) -> Port:
    return Port(name=name, kind="output", dtype="float32", shape=list(shape), batch=True)


def manifest(inputs: Sequence[Port], settings: Sequence[Port], outputs: Sequence[Port]) -> Manifest:
    return Manifest(
        name="small",
        export="f",
        title="A file for tests.",
        inputs=list(inputs),
        settings=list(settings),
        outputs=list(outputs),
        spec_sha256="0" * 64,
        versions={"mai": "0.1.0"},
        opset=23,
        draws=any(p.name == "seed" for p in settings),
    )


def _info(port: Port) -> onnx.ValueInfoProto:
    shape = (["batch"] if port.batch else []) + port.shape
    return helper.make_tensor_value_info(port.name, DTYPES[port.dtype], shape)


def build(
    described: Manifest, nodes: Sequence[onnx.NodeProto], constants: dict[str, Any] | None = None
) -> onnx.ModelProto:
    """A model of these nodes: a setting is an input with an initializer, so that a host may leave it out."""
    first = {p.name: np.array(p.default, p.dtype) for p in described.settings} | (constants or {})
    graph = helper.make_graph(
        nodes,
        described.export,
        [_info(p) for p in [*described.inputs, *described.settings]],
        [_info(p) for p in described.outputs],
        [numpy_helper.from_array(array, name) for name, array in first.items()],
    )
    opsets = [helper.make_opsetid("", described.opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=11, producer_name="mai")
    # The manifest is last, as mai writes it: a file that is cut lacks it, or a part of it.
    helper.set_model_props(model, {SPEC_KEY: SPEC, MANIFEST_KEY: described.model_dump_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture
def shifted() -> onnx.ModelProto:
    """f(x, y, scale = 2) = scale x + y, for points x and labels y."""
    label = Port(name="y", kind="input", dtype="int64", batch=True, minimum=0, maximum=9, classes=10)
    described = manifest([real("x", 2), label], [setting("scale", 2.0, "float32", minimum=0)], [output("f", 2)])
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Cast", ["y"], ["y_real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["y_real", "one"], ["y_column"]),
        helper.make_node("Add", ["scaled", "y_column"], ["f"]),
    ]
    return build(described, nodes, {"one": np.array([1])})


@pytest.fixture
def counting() -> onnx.ModelProto:
    """f(batch = 1, seed = 0): example i is the point (seed + i, seed + i)."""
    described = manifest([], [setting("batch", 1, minimum=1), setting("seed", 0, minimum=0)], [output("f", 2)])
    nodes = [
        helper.make_node("Range", ["zero", "batch", "step"], ["i"]),
        helper.make_node("Add", ["i", "seed"], ["place"]),
        helper.make_node("Cast", ["place"], ["place_real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["place_real", "one"], ["column"]),
        helper.make_node("Concat", ["column", "column"], ["f"], axis=1),
    ]
    return build(described, nodes, {"zero": np.array(0), "step": np.array(1), "one": np.array([1])})


@pytest.fixture
def paired() -> onnx.ModelProto:
    """Two inputs of the free size P, two outputs: their sum and their product."""
    described = manifest([real("a", "P"), real("b", "P")], [], [output("sum", "P"), output("product", "P")])
    return build(
        described, [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Mul", ["a", "b"], ["product"])]
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a model, or any bytes, to a file."""

    def written(content: onnx.ModelProto | bytes, name: str = "small.f.onnx") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return path

    return written
