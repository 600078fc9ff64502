"""A `repeat` that owns fresh parameters becomes its turns, each with weights of its own."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node, turns_of
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ops.structure import Loop, WeightOf


def unroll(graph: Graph) -> Graph:
    """No fresh loop is left, and no weight's name has a `{}`."""
    turns: list[int] = []

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is WeightOf:
            copier.bind(node, copier.builder.weight(made.weights[_filled(node.attributes["weight"], turns)]))
            return True
        if node.op is not Loop or not node.attributes["fresh"]:
            return False
        region = node.regions[0]
        states = [copier[v] for v in node.inputs[1:]]
        for turn in range(node.attributes["count"]):
            turns.append(turn)
            copier.mapping.update(zip(region.inputs, [copier.builder.constant(turn), *states], strict=True))
            copier.nodes(region.nodes)
            states = [copier[v] for v in region.outputs]
            turns.pop()
        copier.bind(node, *states)
        return True

    made = Graph(weights={w.name: w for weight in graph.weights.values() for w in turns_of(weight)})
    copied = copy_graph(graph, rule)
    copied.weights = made.weights
    return copied


def _filled(name: str, turns: list[int]) -> str:
    """A weight's name for the turns it stands in, the outermost first.

    The innermost ones are its own: a net that is called from a `repeat` has the same weights at every turn of it.
    """
    for turn in turns[len(turns) - name.count("{}") :]:
        name = name.replace("{}", str(turn), 1)
    return name
