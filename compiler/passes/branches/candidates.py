"""Which products can become one, and which nodes can take the larger batch: those that differ in nothing but their branch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.rewrite import reading, symbols_of
from mai.compiler.ir.sizes import symbols
from mai.compiler.ir.structure import Lead, Structural, Unlead
from mai.compiler.ops.elementwise import Elementwise
from mai.compiler.ops.products.convolution import Conv, ConvTranspose
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.work import size_of
from mai.compiler.passes.analyses.choices import spared
from mai.compiler.passes.branches.stack import Key, Places, inner_lead

PRODUCTS = (Affine, Conv, ConvTranspose)

Sizes = Mapping[str, int]


def kinds_of(nodes: list[Node], values: Sizes, most_uses: float) -> list[Key | None]:
    """For each node, what the products that become one have in common; None where there is no other.

    Beside the weight, they are as many such products away from the end: so the calls of one stage of a solver meet, and
    what a later stage needs, even if it could be computed now, does not come between. And they are computed where the same
    choices ask for them. Empty where none pays: where an example uses a weight more than `most_uses` times.
    """
    products = [_product(n) for n in nodes]
    counts = Counter(p for p in products if p is not None)
    if max(counts.values(), default=0) < 2:
        return []
    distance = [0] * len(nodes)
    for index, readers in reversed(list(enumerate(readers_of(nodes)))):
        distance[index] = max((distance[r] + (counts[products[r]] > 1) for r in readers), default=0)
    alone = spared(nodes, [])
    kinds: list[Key | None] = [
        None if p is None else (p, distance[i], alone.get(nodes[i], ())) for i, p in enumerate(products)
    ]
    alike = Counter(kinds)
    kinds = [kind if alike[kind] > 1 else None for kind in kinds]
    twins = [node for node, kind in zip(nodes, kinds, strict=True) if kind is not None]
    return kinds if twins and _uses_of_weights(twins, values) <= most_uses else []


def _product(node: Node) -> Key | None:
    """What products that can be one have in common."""
    return key_of(node, {}) if node.op in PRODUCTS and follows(node) else None


def key_of(node: Node, places: Places) -> Key:
    """What nodes that can be one have in common: all but those inputs that can lie side by side."""
    attributes = tuple((k, repr(v)) for k, v in node.items())
    inputs = tuple(_operand(node, i, v, places) for i, v in enumerate(node.inputs))
    return node.op, attributes, inputs, node.output.type


def _operand(node: Node, operand: int, value: Value, places: Places) -> Key:
    if value in places:
        return places[value][0]
    one_for_all = not value.type.batched and not issubclass(node.op, Elementwise)
    return value if operand in node.op.unled or one_for_all else (value.type.dtype, value.type.shape)


def follows(node: Node) -> bool:
    """Whether a node takes a larger batch: it treats each example alone, and does not speak of how many there are."""
    if len(node.outputs) != 1 or issubclass(node.op, Draw) or node.attributes.get("training"):
        return False
    result = node.output.type
    if not result.batched or (issubclass(node.op, Structural) and node.op not in (Lead, Unlead)):
        return False
    sizes = [*result.shape, *(a.size for a in inner_lead(result))]
    return not symbols_of(node).union(*map(symbols, sizes)) & symbols(result.lead[0].size)


def _uses_of_weights(products: Sequence[Node], values: Sizes) -> float:
    """How often one example uses a weight, on average: multiply-adds over weights."""
    sizes = [size_of(n.inputs[1].type.shape, values) for n in products]
    return sum(s * _rows(n, values) for s, n in zip(sizes, products, strict=True)) / sum(sizes)


def _rows(product: Node, values: Sizes) -> int:
    """The vectors, or pixels, of one example that a weight is multiplied with."""
    rows_of = product.inputs[0].type if product.op is ConvTranspose else product.output.type
    places = rows_of.shape[:-1] if product.op is Affine else rows_of.shape[1:]
    return size_of([*(a.size for a in inner_lead(rows_of)), *places], values)


def readers_of(nodes: list[Node]) -> list[list[int]]:
    """For each node, those that read what it makes."""
    places = {node: index for index, node in enumerate(nodes)}
    readers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        producers = {v.producer for v in reading(node) if v.producer is not None}
        for place in {places[p] for p in producers if p in places}:
            readers[place].append(index)
    return readers
