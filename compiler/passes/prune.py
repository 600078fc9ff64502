"""Dead code."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Region, Value
from mai.compiler.ir.rewrite import copy_graph
from mai.compiler.ops.structure import WeightOf


def prune(graph: Graph) -> Graph:
    """Every node's outputs are used; `weights` holds those that are read."""
    made = copy_graph(graph)
    needed = set(made.outputs) | {s[0] if isinstance(s, tuple) else s for s in made.sizes.values()}
    _prune(made, needed)
    read = {node.attributes["weight"] for node in made.walk() if node.op is WeightOf}
    made.weights = {name: w for name, w in made.weights.items() if name in read}
    return made


def _prune(region: Region, needed: set[Value]) -> None:
    kept = []
    for node in reversed(region.nodes):
        if not any(v in needed for v in node.outputs):
            continue
        for inner in node.regions:
            needed.update(inner.outputs)
            _prune(inner, needed)
        needed.update(node.inputs)
        kept.append(node)
    region.nodes = kept[::-1]


def select(graph: Graph, outputs: list[int]) -> Graph:
    """The graph with only some of its outputs, and what they need."""
    made = copy_graph(graph)
    made.outputs = [made.outputs[i] for i in outputs]
    made.output_names = [made.output_names[i] for i in outputs]
    return prune(made)
