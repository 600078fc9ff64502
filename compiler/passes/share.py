"""Common subexpressions."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Hashable

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import copy_graph

Known = ChainMap[Hashable, tuple[Value, ...]]


def share(graph: Graph) -> Graph:
    """No two nodes in sight of each other do the same; a loop's body uses what stands before the loop."""
    made = copy_graph(graph)
    _share(made, ChainMap(), {})
    return made


def _share(region: Region, known: Known, same: dict[Value, Value]) -> None:
    kept = []
    for node in region.nodes:
        node.inputs = tuple(same.get(v, v) for v in node.inputs)
        for inner in node.regions:
            _share(inner, known.new_child(), same)
        key = _key(node)
        if not node.regions and key in known:
            same.update(zip(node.outputs, known[key], strict=True))
            continue
        known[key] = node.outputs
        kept.append(node)
    region.nodes = kept
    region.outputs = [same.get(v, v) for v in region.outputs]


def _key(node: Node) -> Hashable:
    attributes = tuple((k, repr(v)) for k, v in node.attributes.items())
    return node.op, node.inputs, attributes, node.output.type
