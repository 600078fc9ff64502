"""A short Fourier transform is a product with a table; a long one, which is quicker without, has none."""

from __future__ import annotations

import pytest

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops.fourier.complex_numbers import TABLE
from mai.compiler.ops.fourier.real import RealFourier

BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)


@pytest.mark.parametrize("count", [TABLE, 2 * TABLE])
def test_only_a_short_one_has_a_table(count: int) -> None:
    graph = Graph(name="f")
    x = Value(Type(DType.REAL, (count,), (BATCH,)), "x")
    graph.inputs, graph.sizes["batch"] = [x], (x, 0)
    graph.outputs, graph.output_names = [Builder(graph).emit(RealFourier, x, axis=-1)], ["y"]
    model = build(graph, {}, CompileOptions())
    largest = max(
        value.const_value.size for value in model.graph.initializers.values() if value.const_value is not None
    )
    assert (largest >= count * count) is (count == TABLE)
