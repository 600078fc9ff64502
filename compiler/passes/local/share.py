"""Common subexpressions."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Hashable

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import copy_graph

Known = ChainMap[Hashable, tuple[Value, ...]]


def share(graph: Graph) -> Graph:
    """No two nodes in sight of each other do the same, loops among them; a loop's body uses what stands before the loop."""
    made = copy_graph(graph)
    _share(made, ChainMap(), {})
    return made


def _share(region: Region, known: Known, same: dict[Value, Value]) -> None:
    kept = []
    for node in region.nodes:
        node.unlink()
        node.inputs = tuple(same.get(v, v) for v in node.inputs)
        for inner in node.regions:
            _share(inner, known.new_child(), same)
        node.link()
        key = _key(node, {})
        if key in known:
            same.update(zip(node.outputs, known[key], strict=True))
            node.drop()
            continue
        known[key] = node.outputs
        kept.append(node)
    region.nodes = kept
    region.outputs = [same.get(v, v) for v in region.outputs]


def _key(node: Node, own: dict[Value, int]) -> Hashable:
    """What nodes have in common that do the same; the values `own` of a body are told by their places in it."""
    attributes = tuple((k, repr(v)) for k, v in node.items())
    inputs = tuple(own.get(v, v) for v in node.inputs)
    bodies = tuple(_code(region, own) for region in node.regions)
    return node.op, inputs, attributes, tuple(v.type for v in node.outputs), bodies


def _code(region: Region, own: dict[Value, int]) -> Hashable:
    """A body as what it does: two of them are equal if they are the same but for what their values are called."""
    numbered = dict(own)
    for value in region.inputs:
        numbered[value] = len(numbered)
    lines = []
    for node in region.nodes:
        lines.append(_key(node, numbered))
        for value in node.outputs:
            numbered[value] = len(numbered)
    types = tuple(v.type for v in region.inputs)
    return types, tuple(lines), tuple(numbered.get(v, v) for v in region.outputs)
