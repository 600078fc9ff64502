"""Small files such as the compiler writes, made by hand: the runtime is tested without the compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mai.runtime.model.manifest import MANIFEST_KEY, SPEC_KEY, Manifest, Port

Write = Callable[..., Path]
FOREVER = 10**12  # Turns of the loop of `loops`.
DTYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}
SPEC = "# A file for tests.\nexport f(x: [2]) -> [2] { return x }\n"


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


def loops(name: str = "n") -> onnx.ModelProto:
    """f(x, n = 3) = x + n, in n turns."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes"]),
            helper.make_node("Add", ["before", "step"], ["after"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, ["batch", 1]),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, ["batch", 1]),
        ],
    )
    nodes = [helper.make_node("Loop", [name, "", "x"], ["f"], body=body)]
    return build(manifest([real("x", 1)], [setting(name, 3)], [output("f", 1)]), nodes, {"step": np.ones(1, "float32")})
