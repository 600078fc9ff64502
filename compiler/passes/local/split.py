"""A product of a concatenation is a sum of products, so that the parts can be computed where they belong.

W [a; b] = W_a a + W_b b: where `b` is the embedding of a time and `a` the state of an integration, W_b b does not
depend on the examples and can leave the loop.
"""

from __future__ import annotations

from itertools import accumulate

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.shapes.indexing import Slice
from mai.compiler.ops.shapes.shape import Concat


@rewriting(Concat)
def split(graph: Graph) -> Graph:
    """No product is left of a concatenation whose parts have different lead axes."""
    if not any(map(_source, graph.walk())):
        return graph

    def rule(copier: Copier, node: Node) -> bool:
        source = _source(node)
        if source is None:
            return False
        copier.bind(node, _sum(copier, node, [copier[v] for v in source.inputs]))
        return True

    return copy_graph(graph, rule)


def _source(node: Node) -> Node | None:
    """The concatenation, of parts with different lead axes, that a product is of."""
    source = node.inputs[0].producer if node.op is Affine else None
    if source is None or source.op is not Concat or source.attributes["axis"] != -1:
        return None
    return source if len({v.type.lead for v in source.inputs}) > 1 else None


def _sum(copier: Copier, node: Node, parts: list[Value]) -> Value:
    """The sum of the parts' products; the part with the fewest lead axes comes first and takes the bias."""
    builder, weight = copier.builder, copier[node.inputs[1]]
    bias = [copier[v] for v in node.inputs[2:]]
    starts = list(accumulate((v.type.shape[-1] for v in parts), initial=0))
    total: Value | None = None
    for place in sorted(range(len(parts)), key=lambda i: len(parts[i].type.lead)):
        bounds = {"start": starts[place], "stop": starts[place + 1], "step": None}
        columns = builder.emit(Slice, weight, axis=-1, **bounds, name=weight.name)
        term = builder.emit(Affine, parts[place], columns, *bias, name=node.output.name)
        total = term if total is None else builder.emit(el.Add, total, term, name=node.output.name)
        bias = []
    assert total is not None
    return total
