"""How much a graph computes: multiply-adds for one example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

from mai.compiler.ir import sizes
from mai.compiler.ir.graph import Graph, Node, Region
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Loop, Structural
from mai.compiler.ops.products.attention import Attention
from mai.compiler.ops.products.cached_attention import CachedAttention, FixedAttention
from mai.compiler.ops.products.chosen import ChosenAffine
from mai.compiler.ops.products.convolution import Conv
from mai.compiler.ops.products.product import Affine, Einsum, Matmul

FREE = 16
PRODUCTS = (Affine, ChosenAffine, Matmul, Conv, Attention, CachedAttention, FixedAttention, Einsum)


def known_sizes(graph: Graph) -> dict[str, int]:
    """Sizes for counting: a batch of one, settings at their defaults, other sizes 16. A text grows from 16 tokens by one."""
    defaults = {name: int(s.default) for name, s in graph.settings.items() if not isinstance(s.default, float)}
    stems = {Loop.of(node).length for node in graph.walk() if node.op is Loop}
    stems |= set() if graph.one_turn is None else {graph.one_turn.length}
    growing = {name: 1 for name in (f"{stem}_new" for stem in stems) if name in graph.sizes}
    return {**{name: FREE for name in graph.sizes if name not in defaults}, **defaults, **growing, "batch": 1}


def size_of(shape: Iterable[Size], values: Mapping[str, int]) -> int:
    """The number of elements of a shape; a symbol that is not known counts as `FREE`."""
    return prod(int(sizes.evaluate(s, lambda n: values.get(n, FREE))) for s in shape)


def multiply_adds(region: Region, values: Mapping[str, int], products: bool = False) -> int:
    """Those for one example, or those of its `products` alone; what all examples share costs it nothing."""
    total = 0
    for node in region.nodes:
        if node.op is Loop:
            turns = Loop.of(node).count
            one = multiply_adds(node.regions[0], values, products)
            total += one * (FREE if turns is None else size_of((turns,), values))
        elif node.op in PRODUCTS if products else not issubclass(node.op, Structural):
            total += _of_node(node, values) if node.output.type.lead else 0
    return total


def _of_node(node: Node, values: Mapping[str, int]) -> int:
    elements = size_of(node.output.type.physical, values)
    if node.op in (Affine, ChosenAffine, Matmul):
        return elements * size_of(node.inputs[0].type.shape[-1:], values)
    if node.op is Conv:
        return elements * size_of(node.inputs[1].type.shape[1:], values)
    if node.op is Attention:
        return 2 * elements * size_of(node.inputs[1].type.shape[:1], values)
    if node.op in (CachedAttention, FixedAttention):
        return 2 * elements * size_of(node.outputs[1].type.shape[1:2], values)
    if node.op is Einsum:
        return max(size_of(v.type.physical, values) for v in (*node.inputs, node.output))
    return elements
