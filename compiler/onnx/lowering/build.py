"""A prepared graph and its weights to an onnx_ir model."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from mai.compiler.compile_options import DEFAULTS, CompileOptions
from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.layout.chunks import scan_chunks
from mai.compiler.onnx.layout.joined_branches import join_branches
from mai.compiler.onnx.layout.joined_products import join_products
from mai.compiler.onnx.layout.lazy import drop_unread, lazy
from mai.compiler.onnx.layout.named_sizes import name_sizes
from mai.compiler.onnx.layout.sink import sink
from mai.compiler.onnx.layout.turned_operands import turn_operands
from mai.compiler.onnx.layout.unfuse_norms import keep_apart
from mai.compiler.onnx.lowering.interface import declare_inputs, declare_outputs
from mai.compiler.onnx.lowering.interpreter import OnnxInterpreter
from mai.compiler.onnx.precision.convolutions import whole_convolutions
from mai.compiler.onnx.precision.narrow import narrow
from mai.compiler.onnx.precision.quantize import Coarse
from mai.compiler.onnx.writing.pieces import Piece, write_whole
from mai.compiler.passes.loops.in_blocks import in_blocks
from mai.compiler.passes.pipeline import uncollected
from mai.runtime.arrays import Array

IR_VERSIONS = {21: 10, 22: 10, 23: 11, 24: 12}


@uncollected()
def build(
    graph: Graph, weights: Mapping[str, Array], options: CompileOptions = DEFAULTS, *, chunk: int | None = None,
    coarse: Coarse | None = None, rounded: bool = False,
) -> ir.Model:  # fmt: skip
    """The model of a graph, in standard operators; settings are initializers that a host may override.

    Where they are required they are ordinary inputs: hosts in JavaScript and Java cannot override an initializer.

    With `chunk`, the batch is computed that many examples at a time; `coarse` says which weights are kept in few bits;
    `rounded` computes 16 bits in float32 (`narrow.py`).
    """
    if not (options.unroll or options.portable or options.cuda):  # They want few loops, or few values carried by them.
        graph = in_blocks(graph)
    walk = OnnxInterpreter(graph, weights, options, coarse)
    declare_inputs(walk)
    if chunk is not None:
        results = scan_chunks(walk, chunk)
    else:
        walk.nodes(graph.nodes)
        results = [walk[v] for v in graph.outputs]
    declare_outputs(walk, results)
    walk.op.root.extend(walk.op.root_nodes)
    model = ir.Model(walk.op.root, ir_version=IR_VERSIONS[options.opset], producer_name="mai")
    _lay_out(model, options, coarse, rounded)
    return model


def _lay_out(model: ir.Model, options: CompileOptions, coarse: Coarse | None, rounded: bool) -> None:
    """Put the nodes and weights of a model where engines compute with them quickly, in the numbers that were asked for."""
    if options.unroll:
        drop_unread(model.graph)  # What a choice that is known by now does not choose.
    operators = {node.op_type for node in model.graph.all_nodes()}
    if "If" in operators:
        join_branches(model.graph)
        lazy(model.graph)
    if coarse is not None:
        join_products(model.graph)
    if coarse is not None and coarse.ranges:
        whole_convolutions(model, coarse.ranges)
    if options.precision != "float32":
        narrow(model, options.precision, rounded=rounded)
    sink(model.graph)
    if "LayerNormalization" in operators:
        keep_apart(model.graph)
    if {"Gemm", "Transpose"} <= operators:
        turn_operands(model.graph)
    if "Reshape" in operators:
        name_sizes(model.graph)


def serialised(model: ir.Model) -> bytes:
    """The bytes of a model's file, its tensors inside."""
    pieces: list[Piece] = []
    write_whole(model, pieces.append)
    return b"".join(pieces)
