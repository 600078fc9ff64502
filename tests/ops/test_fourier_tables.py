"""A short Fourier transform is a product with a table; a long one, which is quicker without, has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.onnx.export import export
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops.fourier.complex_numbers import TABLE, Fourier
from mai.compiler.ops.fourier.real import RealFourier
from mai.compiler.program import Program
from mai.runtime import load

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


@pytest.mark.parametrize("count", [2, 3, 7, 8, 12])
def test_the_operator_is_for_powers_of_two(count: int) -> None:
    """ONNX Runtime's loses half of the digits at other lengths."""
    graph = Graph(name="f")
    x = Value(Type(DType.REAL, (count, 2)), "x")
    graph.inputs, graph.output_names = [x], ["y"]
    graph.outputs = [Builder(graph).emit(Fourier, x)]
    names = {node.op_type for node in build(graph, {}, CompileOptions()).graph.all_nodes()}
    assert ("DFT" in names) is (count in (2, 8))


CUDA = CompileOptions(cuda=True)
ELSEWHERE = CompileOptions(portable=True, opset=21, settings="required")
# Two tables and more, primes, and a size that the call says.
LENGTHS = [(2 * TABLE, CUDA), (2 * TABLE, ELSEWHERE), (127, CUDA), (150, CUDA), (521, CUDA), ("P", ELSEWHERE)]
FFT = """export f(x: [{n}], y: [{n}]) -> ([{n}], [{n}], [{n}]) {{
  (re, im) = fft(x, y)
  (a, b) = ifft(re, im)
  (c, d) = rfft(x)
  return (re, b, irfft(c, d, {n}))
}}
"""


@pytest.mark.parametrize(("count", "options"), LENGTHS)
def test_products_alone_for_engines_without_the_operator(
    count: int | str, options: CompileOptions, program: Callable[[str], Program], tmp_path: Path
) -> None:
    path = export(program(FFT.format(n=count)), "f", Trained({}), tmp_path, options).path
    assert "DFT" not in {node.op_type for node in onnx.load(path).graph.node}
    size = count if isinstance(count, int) else 97
    x, y = np.random.default_rng(0).standard_normal((2, 3, size)).astype(np.float32)
    re, back, same = load(path, providers="cpu")(x=x, y=y).values()
    np.testing.assert_allclose(re, np.fft.fft(x + 1j * y).real, atol=3e-7 * size**0.5 * 8)
    np.testing.assert_allclose(back, y, atol=2e-6)
    np.testing.assert_allclose(same, x, atol=2e-6)
