"""Small files such as the compiler writes, made by hand: the runtime is tested without the compiler."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mai.runtime.model.manifest import Port
from tests.support.cases.small_files import Write, build, manifest, output, real, setting


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
