"""Sums and products that an operation can take in: a bias, a scale, a shift."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.norm import LayerNorm
from mai.compiler.ops.product import Affine


def fuse(graph: Graph) -> Graph:
    """W x + b is one operation where b is one vector for all examples; so are a layer norm, its scale and its shift."""
    makers: dict[Value, Node] = {}

    def rule(copier: Copier, node: Node) -> bool:
        if node.op in (el.Add, el.Multiply):
            for place in (0, 1):
                fused = _taken_in(copier, node, makers.get(copier[node.inputs[place]]), copier[node.inputs[1 - place]])
                if fused is not None:
                    makers[fused] = copier.builder.region.nodes[-1]
                    copier.bind(node, fused)
                    return True
        copier.copy(node)
        if not node.regions:
            makers[copier[node.output]] = copier.builder.region.nodes[-1]
        return True

    return copy_graph(graph, rule)


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
