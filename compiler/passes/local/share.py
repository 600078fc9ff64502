"""Common subexpressions."""

from __future__ import annotations

from collections.abc import Hashable

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import copy_graph, read_instead
from mai.compiler.ir.structure import Constant, Integrate

InSight = dict[Hashable, list[Node]]  # Nodes of a region and of those around it, the outer ones first, by what they do.


def share(graph: Graph) -> Graph:
    """Join nodes that compute the same, loops too; a loop's body reads a value from before the loop instead of computing it again."""
    return share_in_place(copy_graph(graph))


def share_in_place(graph: Graph) -> Graph:
    """The same, in a graph that may be changed."""
    _share(graph, {}, {})
    return graph


def share_region(region: Region) -> dict[Value, Value]:
    """The same in one region that is being made, by itself; the values that are gone, and what each of them is now."""
    same: dict[Value, Value] = {}
    _share(region, {}, same)
    return same


def _share(region: Region, in_sight: InSight, same: dict[Value, Value]) -> None:
    kept: list[Node] = []
    alike: list[list[Node]] = []  # Those that a node of this region was added to.
    for node in region.nodes:
        if node.regions or not same.keys().isdisjoint(node.inputs):
            read_instead(node, same, lambda inner: _share(inner, in_sight, same))
        others = in_sight.setdefault(_key(node, {}), [])
        twin = _twin(node, others)
        if twin is None:
            others.append(node)
            alike.append(others)
            kept.append(node)
        else:
            same.update(zip(node.outputs, twin.outputs, strict=True))
            node.drop()
    for others in alike:  # Nobody outside sees them.
        others.pop()
    region.nodes = kept
    region.outputs = [same.get(v, v) for v in region.outputs]


def _twin(node: Node, others: list[Node]) -> Node | None:
    """One of some nodes that do the same and have the same types, with equal bodies."""
    types = [v.type for v in node.outputs]
    for other in others:
        if types == [v.type for v in other.outputs] and _bodies(node, {}) == _bodies(other, {}):
            return other
    return None


def _key(node: Node, own: dict[Value, int]) -> Hashable:
    """A key that is equal for nodes that compute the same, bodies apart; values `own` to a body are named by their places in it."""
    inputs = tuple([own.get(v, v) for v in node.inputs]) if own else node.inputs
    return node.op, frozenset(inputs) if node.op.commutes else inputs, _attributes(node)


def _attributes(node: Node) -> Hashable:
    """What a node says beside its operands. As text where numbers are among it: 0, 0.0 and False are equal."""
    if isinstance(node.structure, Constant):
        return repr(node.structure.value)
    if node.structure is None or isinstance(node.structure, Integrate):
        return repr(node.attributes), repr(node.structure)
    return node.structure


def _bodies(node: Node, own: dict[Value, int]) -> Hashable:
    return tuple(_code(region, own) for region in node.regions)


def _code(region: Region, own: dict[Value, int]) -> Hashable:
    """A key of a body: two are equal if they differ in the names of their values alone."""
    numbered = dict(own)
    for value in region.inputs:
        numbered[value] = len(numbered)
    lines = []
    for node in region.nodes:
        lines.append((_key(node, numbered), tuple(v.type for v in node.outputs), _bodies(node, numbered)))
        for value in node.outputs:
            numbered[value] = len(numbered)
    types = tuple(v.type for v in region.inputs)
    return types, tuple(lines), tuple(numbered.get(v, v) for v in region.outputs)
