"""Sums and products that an operation can take in: a bias, a scale, a shift."""

from __future__ import annotations

from collections import Counter

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import arguments_instead, read_instead, rewriting
from mai.compiler.ir.structure import Lead, Unlead
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.reductions.norm import LayerNorm

VIEWS = (Lead, Unlead)
PLACES: dict[tuple[type[Operation], type[Operation]], int] = {
    (Affine, el.Add): 2, (LayerNorm, el.Multiply): 1, (LayerNorm, el.Add): 2,
}  # fmt: skip


@rewriting(el.Add, el.Multiply)
def fuse_in_place(graph: Graph) -> Graph:
    """Join W x + b into one operation, where b is one vector for all examples; a layer norm, its scale and its shift likewise.

    The product must have no other use and stand in the region of the sum, so that nothing is computed more often. Changes of type
    between the two do not matter. The graph is changed.
    """
    same: dict[Value, Value] = {}
    _fuse(graph, _used_once(graph), same)
    graph.arguments = arguments_instead(graph, same)
    return graph


def _used_once(graph: Graph) -> set[Value]:
    """The values that one node reads, in one place, or that leave the graph once: before anything is changed."""
    leaving = Counter(graph.outputs)
    values = {v for node in graph.walk() for v in node.inputs}
    return {v for v in values if len(v.uses) + leaving[v] == 1 and sum(v.uses.values()) <= 1}


def _fuse(region: Region, once: set[Value], same: dict[Value, Value]) -> None:
    """Fuse in a region: what was made of each value in it, a product and changes of its type, is its chain."""
    nodes, region.nodes = region.nodes, []
    chains: dict[Value, list[Node]] = {}
    for node in nodes:
        first = node.inputs[0] if node.inputs else None
        is_single = first in once
        sides = [(v, o) for v, o in _sides(node) if v in once]
        if node.regions or not same.keys().isdisjoint(node.inputs):
            read_instead(node, same, lambda inner: _fuse(inner, once, same))
        fused = next(
            filter(None, (_taken_in(region, node, chains.get(same.get(v, v), []), same.get(o, o)) for v, o in sides)),
            None,
        )
        if fused is not None:
            same[node.output] = fused[-1].output
            chains[fused[-1].output] = fused
            node.drop()
            continue
        region.nodes.append(node)
        if not node.regions:
            before = chains.get(node.inputs[0], []) if node.op in VIEWS and is_single else []
            chains[node.output] = [*before, node]
    region.outputs = [same.get(v, v) for v in region.outputs]


def _sides(node: Node) -> list[tuple[Value, Value]]:
    """Each operand of a sum or product, and the other one."""
    if node.op not in (el.Add, el.Multiply):
        return []
    left, right = node.inputs
    return [(left, right), (right, left)]


def _taken_in(region: Region, node: Node, chain: list[Node], other: Value) -> list[Node] | None:
    """The maker of one operand with the other operand as its next optional input, and the changes of type after it.

    None where that is not the same.
    """
    if not chain or other.type.lead or len(other.type.shape) != 1:
        return None
    maker, last = chain[0], chain[-1].output.type
    place = PLACES.get((maker.op, node.op))
    if place is None or len(maker.inputs) != place or other.type.shape != maker.output.type.shape[-1:]:
        return None
    if last.shape != node.output.type.shape or last.shape[-1:] != other.type.shape:
        return None
    builder = Builder(region, node.span, node.scope)
    value = builder.emit_all(maker.op, [*maker.inputs, other], maker.attributes, node.output.name)[0]
    fused = [builder.region.nodes[-1]]
    for view in chain[1:]:
        assert view.structure is not None
        value = builder.add(view.structure, [value], [view.output.type]).output
        value.name = node.output.name
        fused.append(builder.region.nodes[-1])
    return fused
