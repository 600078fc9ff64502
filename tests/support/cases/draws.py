"""Draws for tests: the generator's published numbers, one draw as a graph, and graphs by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import onnxruntime as ort

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Setting, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops.random.philox import MASK
from mai.runtime.arrays import Array

DRAWS = {"portable": CompileOptions(), "fast": CompileOptions(draws="fast"), "cuda": CompileOptions(cuda=True)}
# Random123 (Salmon et al. 2011), kat_vectors: philox4x32 10
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((MASK,) * 4, (MASK,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def graph_of(op: Any, shape: tuple[int, ...]) -> Graph:
    """A graph as an export has it: the seed a setting, the turn and the examples inputs."""
    batch = Axis("batch", symbol("batch"), BATCH_DEPTH)
    seed, turn = Value(Type(DType.INT), "seed"), Value(Type(DType.INT), "turn")
    example = Value(Type(DType.INT, (), (batch,)), "example")
    graph = Graph(name="draws", inputs=[turn, example], settings={"seed": Setting(seed, 0)})
    graph.sizes["batch"] = (example, 0)
    graph.outputs = [Builder(graph).emit(op, seed, turn, example, place=MASK - 5, shape=shape)]
    graph.output_names = ["y"]
    return graph


def opened(graph: Graph, draws: str, threads: int = 1) -> Callable[[dict[str, Array]], Array]:
    """The one result of a graph by ONNX Runtime, its draws in one of the forms `DRAWS`, for any feed."""
    raw = ir.serde.serialize_model(build(graph, {}, DRAWS[draws])).SerializeToString()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 4
    session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)[0]


def run(graph: Graph, feed: dict[str, Array], draws: str) -> Array:
    """The same for one feed."""
    return opened(graph, draws)(feed)
