"""A large batch in chunks that stay in the cache: an outer `Scan` with the whole program inside.

Examples do not see each other, unless a claim looks across them, so any part of a batch can be computed alone; draws
depend on an example's own number, which is handed to each chunk. A chunk keeps its activations close to the processor through all steps of an integration,
which a whole batch does not: a few hundred examples of a small network, one or two large images. How many is an
overridable initializer, so that a host with a GPU can have the batch whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import onnx_ir as ir

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import reading
from mai.compiler.ir.sizes import evaluate, symbol, symbols
from mai.compiler.ir.structure import Across, Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.lowering.backend import BATCH, OnnxBackend
from mai.compiler.onnx.lowering.interface import declare_setting
from mai.compiler.ops.products.convolution import Conv, ConvTranspose
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.shapes.indexing import Iota

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.interpreter import OnnxInterpreter

CHUNK = "batch.chunk"  # The setting's name: no name of a spec has a dot.
# The elements of one activation that a chunk may have, all branches of it, a megabyte of them; and the most examples.
BUDGET = 262_144
MOST = 256
# Products of single examples up to this width gain from chunks; larger ones fill the processor as they are.
NARROW = 1024


def chunk_of(graph: Graph, times: int = 1) -> int | None:
    """How many examples a chunk should have; None where chunks do not pay.

    They pay in a loop of convolutions, and of products whose activations are small, if all sizes are known. What looks
    across the examples needs all of them. Of convolutions whose numbers have 8 bits, `times` as many examples have room.
    """
    if any(node.op is Across for node in graph.walk()):
        return None
    inside = [n for loop in graph.walk() if loop.op is Loop for n in loop.regions[0].walk() if n.output.type.batched]
    values = [v for v in (*graph.inputs, *(v for n in graph.walk() for v in n.outputs)) if v.type.batched]
    sizes = [_elements(v) for v in values]
    if not all(v.type.batched for v in graph.outputs) or None in sizes:
        return None
    largest = max((s for s in sizes if s), default=1)
    convolves = any(n.op in (Conv, ConvTranspose) for n in inside)
    multiplies = any(n.op is Affine for n in inside) and largest <= NARROW
    most = max((s * _branches(v) for s, v in zip(sizes, values, strict=True) if s), default=1)
    room = BUDGET * times if convolves else BUDGET
    return max(1, min(MOST, room // most)) if convolves or multiplies else None


def _branches(value: Value) -> int:
    """How many branches of each example lie side by side (`passes/pair.py`)."""
    return evaluate(value.type.physical[0], lambda _: 1)


def _elements(value: Value) -> int | None:
    """The elements of a value for one branch of one example; None where they are known only at run time."""
    total = 1
    for size in value.type.physical[1:]:
        if not isinstance(size, int):
            return None
        total *= size
    return total


def scan_chunks(walk: OnnxInterpreter, examples: int) -> list[ir.Value]:
    """The whole program inside a `Scan` over chunks of the batch; the last chunk is filled up with its last row."""
    op, graph = walk.op, walk.graph
    shared, own, numbers = parts(graph)
    walk.nodes(shared)
    batch, chunk = op.scalar(op.resolve(symbol(BATCH))), _examples(walk, examples)
    count = op.Div(op.Sub(op.Add(batch, chunk), 1), chunk)
    size = op.Div(op.Sub(op.Add(batch, count), 1), count)
    index = op.Range(op.int(0), op.Mul(count, size), op.int(1))
    rows = op.Min(index, op.Sub(batch, 1))
    chunks = op.shape_vector([count, size])
    whole = [*(op.Gather(walk[v], rows, axis=0) for v in graph.inputs), *[index] * len(numbers)]
    entering = [*graph.inputs, *numbers]
    slices = [op.Reshape(x, _chunked(op, chunks, v)) for x, v in zip(whole, entering, strict=True)]
    inputs = [walk.typed(v) for v in entering]
    walk.values.update(zip(entering, inputs, strict=True))
    with op.inside(batch=lambda: size) as nodes:
        walk.nodes(own)
        outputs = walk.leaving([walk[v] for v in graph.outputs], graph.outputs)
    body = ir.Graph(inputs, outputs, nodes=nodes, name=op.name("chunk"))
    results = op.several("Scan", len(outputs), *slices, body=body, num_scan_inputs=len(slices))
    return [_joined(op, x, v, batch) for x, v in zip(results, graph.outputs, strict=True)]


def _examples(walk: OnnxInterpreter, examples: int) -> ir.Value:
    """How many examples a chunk has: a host that can override an initializer may say so."""
    if walk.options.required:
        return walk.op.int(examples)
    return declare_setting(walk, Value(Type(DType.INT)), CHUNK, examples)


def _chunked(op: OnnxBackend, chunks: ir.Value, value: Value) -> ir.Value:
    """The sizes of a value in chunks: [chunks, size, ...]."""
    rest = [s for s in value.type.physical[1:] if isinstance(s, int)]
    return op.Concat(chunks, op.ints(rest), axis=0) if rest else chunks


def _joined(op: OnnxBackend, chunks: ir.Value, value: Value, batch: ir.Value) -> ir.Value:
    """[chunks, size, ...] as [batch, ...]."""
    rest = [op.resolve(s) for s in value.type.physical[1:]]
    flat = op.Reshape(chunks, op.shape_vector([-1, *rest]))
    return op.Slice(flat, op.ints([0]), op.shape_vector([batch]), op.ints([0]))


def parts(graph: Graph) -> tuple[list[Node], list[Node], list[Value]]:
    """The nodes that no example needs its own of, the others, and the values that number the examples."""
    inside: set[Value] = set(graph.inputs)
    numbers = [n.output for n in graph.nodes if n.op is Iota and "batch" in symbols(n.attributes["count"])]
    inside.update(numbers)
    shared, own = [], []
    for node in graph.nodes:
        if node.output in numbers:
            continue
        if any(v in inside for v in reading(node)) or any(v.type.batched for v in _values(node)):
            own.append(node)
            inside.update(node.outputs)
        else:
            shared.append(node)
    return shared, own, numbers


def _values(node: Node) -> Iterator[Value]:
    yield from node.outputs
    for region in node.regions:
        yield from _region_values(region)


def _region_values(region: Region) -> Iterator[Value]:
    yield from region.inputs
    for node in region.nodes:
        yield from _values(node)
