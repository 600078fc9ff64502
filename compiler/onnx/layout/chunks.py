"""A large batch in chunks that stay in the cache: an outer `Scan` with the whole program inside.

Examples do not see each other, so any part of a batch can be computed alone; draws depend on an example's own number,
which is handed to each chunk. A chunk keeps its activations close to the processor through all steps of an integration,
which a whole batch does not: a few hundred examples of a small network, one or two large images. How many is an
overridable initializer, so that a host with a GPU can have the batch whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import reading
from mai.compiler.ir.sizes import evaluate, symbols
from mai.compiler.ir.structure import Loop
from mai.compiler.ops.products.convolution import Conv, ConvTranspose
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.shapes.indexing import Iota

# The elements of one activation that a chunk may have, all branches of it, a megabyte of them; and the most examples.
BUDGET = 262_144
MOST = 256
# Products of single examples up to this width gain from chunks; larger ones fill the processor as they are.
NARROW = 1024


def chunk_of(graph: Graph) -> int | None:
    """How many examples a chunk should have; None where chunks do not pay.

    They pay in a loop of convolutions, and of products whose activations are small, if all sizes are known.
    """
    inside = [n for loop in graph.walk() if loop.op is Loop for n in loop.regions[0].walk() if n.output.type.batched]
    values = [v for n in graph.walk() for v in n.outputs if v.type.batched]
    sizes = [_elements(v) for v in values]
    if not all(v.type.batched for v in graph.outputs) or None in sizes:
        return None
    largest = max((s for s in sizes if s), default=1)
    convolves = any(n.op in (Conv, ConvTranspose) for n in inside)
    multiplies = any(n.op is Affine for n in inside) and largest <= NARROW
    held = max((s * _branches(v) for s, v in zip(sizes, values, strict=True) if s), default=1)
    return max(1, min(MOST, BUDGET // held)) if convolves or multiplies else None


def _branches(value: Value) -> int:
    """How many branches of each example lie side by side (`passes/pair.py`)."""
    made: int = evaluate(value.type.physical[0], lambda _: 1)
    return made


def _elements(value: Value) -> int | None:
    """The elements of a value for one branch of one example; None where they are known only at run time."""
    total = 1
    for size in value.type.physical[1:]:
        if not isinstance(size, int):
            return None
        total *= size
    return total


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
