"""What constants and weights decide is computed when the ONNX graph is built, and means the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as reduce
from mai.compiler.ops.products import product
from mai.compiler.ops.shapes import indexing, shape
from mai.runtime.arrays import Array

Emit = Callable[[Builder], Value]
BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)
MATRIX = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.5))


def scalar(b: Builder) -> Value:
    return b.emit(el.Subtract, b.constant(3.0), b.constant(1.0))


def row(b: Builder) -> Value:
    return b.emit(indexing.Pick, b.emit(shape.Transpose, b.constant(MATRIX), perm=(-1, -2)), axis=-2, index=0)


def total(b: Builder) -> Value:
    return b.emit(reduce.Sum, b.emit(product.Matmul, b.constant(MATRIX), b.constant(MATRIX[:1] * 3)), axes=(-2, -1))


@pytest.mark.parametrize("emit", [scalar, row, total])
def test_known_values_keep_their_shape(emit: Emit, agree: Callable[..., Array]) -> None:
    x = Value(Type(DType.REAL, (2,), (BATCH,)), "x")
    graph = Graph(name="case", inputs=[x], sizes={"batch": (x, 0)}, output_names=["y"])
    builder = Builder(graph)
    graph.outputs = [builder.emit(el.Divide, x, emit(builder))]
    agree(graph, {"x": np.arange(6, dtype=np.float32).reshape(3, 2)}, {"batch": 3})
    assert [n.op_type for n in build(graph, {}).graph] == ["Div", "Identity"]
