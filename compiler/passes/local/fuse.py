"""Sums and products that an operation can take in: a bias, a scale, a shift."""

from __future__ import annotations

from collections import Counter

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ir.structure import Lead, Unlead
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.reductions.norm import LayerNorm

VIEWS = (Lead, Unlead)
PLACES: dict[tuple[type[Operation], type[Operation]], int] = {
    (Affine, el.Add): 2, (LayerNorm, el.Multiply): 1, (LayerNorm, el.Add): 2,
}  # fmt: skip


@rewriting(el.Add, el.Multiply)
def fuse(graph: Graph) -> Graph:
    """Join W x + b into one operation, where b is one vector for all examples; a layer norm, its scale and its shift likewise.

    The product must have no other use and stand in the region of the sum, so that nothing is computed more often. Changes of type
    between the two do not matter.
    """
    chains: dict[Value, tuple[Region, list[Node]]] = {}
    leaving = Counter(graph.outputs)

    def used_once(value: Value) -> bool:
        return len(value.uses) + leaving[value] == 1 and sum(value.uses.values()) <= 1

    def rule(copier: Copier, node: Node) -> bool:
        here = copier.builder.region
        for operand, other in _sides(node):
            region, chain = chains.get(copier[operand], (None, []))
            if not used_once(operand) or region is not here:
                continue
            fused = _taken_in(copier, node, chain, copier[other])
            if fused is not None:
                chains[fused[-1].output] = here, fused
                copier.bind(node, fused[-1].output)
                return True
        copier.copy(node)
        if not node.regions:
            _, before = chains.get(copier[node.inputs[0]], (None, [])) if node.op in VIEWS else (None, [])
            single = bool(node.inputs) and used_once(node.inputs[0])
            chains[copier[node.output]] = here, [*(before if single else []), here.nodes[-1]]
        return True

    return copy_graph(graph, rule)


def _sides(node: Node) -> list[tuple[Value, Value]]:
    """Each operand of a sum or product, and the other one."""
    if node.op not in (el.Add, el.Multiply):
        return []
    left, right = node.inputs
    return [(left, right), (right, left)]


def _taken_in(copier: Copier, node: Node, chain: list[Node], other: Value) -> list[Node] | None:
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
    builder = copier.builder
    value = builder.emit_all(maker.op, [*maker.inputs, other], maker.attributes, node.output.name)[0]
    fused = [builder.region.nodes[-1]]
    for view in chain[1:]:
        assert view.structure is not None
        value = builder.add(view.structure, [value], [view.output.type]).output
        value.name = node.output.name
        fused.append(builder.region.nodes[-1])
    return fused
