"""Sums and products that an operation can take in: a bias, a scale, a shift."""

from __future__ import annotations

from collections import Counter

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.norm import LayerNorm
from mai.compiler.ops.product import Affine


def fuse(graph: Graph) -> Graph:
    """W x + b is one operation where b is one vector for all examples; so are a layer norm, its scale and its shift.

    Nothing is computed more often for it: the product has no other use, and stands in the region of the sum.
    """
    makers: dict[Value, tuple[Region, Node]] = {}
    uses = _uses(graph)

    def rule(copier: Copier, node: Node) -> bool:
        if node.op in (el.Add, el.Multiply):
            for place in (0, 1):
                operand, other = node.inputs[place], node.inputs[1 - place]
                region, maker = makers.get(copier[operand], (None, None))
                if uses[operand] > 1 or region is not copier.builder.region:
                    continue
                fused = _taken_in(copier, node, maker, copier[other])
                if fused is not None:
                    makers[fused] = copier.builder.region, copier.builder.region.nodes[-1]
                    copier.bind(node, fused)
                    return True
        copier.copy(node)
        if not node.regions:
            makers[copier[node.output]] = copier.builder.region, copier.builder.region.nodes[-1]
        return True

    return copy_graph(graph, rule)


def _uses(graph: Graph) -> Counter[Value]:
    """How often each value is read."""
    read = [v for node in graph.walk() for v in node.inputs]
    leaving = [v for node in graph.walk() for region in node.regions for v in region.outputs]
    return Counter([*read, *leaving, *graph.outputs])


def _taken_in(copier: Copier, node: Node, maker: Node | None, other: Value) -> Value | None:
    """The maker of one operand with the other operand as its next optional input; None where that is not the same."""
    if maker is None or other.type.lead or other.type.shape != maker.output.type.shape[-1:]:
        return None
    places = {(Affine, el.Add): 2, (LayerNorm, el.Multiply): 1, (LayerNorm, el.Add): 2}
    place = places.get((maker.op, node.op))  # type: ignore[arg-type]
    if place is None or len(maker.inputs) != place or maker.output.type.shape != node.output.type.shape:
        return None
    made = copier.builder.emit_all(maker.op, [*maker.inputs, other], maker.attributes, node.output.name)
    return made[0]
