"""Choices on one condition become one `If`, where none is made of another's result.

So the weights that several of them read, those of two calls of a net say, lie in its branches, where ONNX Runtime packs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir

BRANCHES = ("then_branch", "else_branch")


def join_branches(graph: ir.Graph) -> None:
    """Join the choices of a graph and of all graphs inside. A choice is an `If` whose branches hand on a value from outside."""
    for inner in [graph, *graph.subgraphs()]:
        while (group := next(_groups(inner), None)) is not None:
            _join(group)
            inner.sort()  # Before the next: what one of these was made of, all of them are now.


def _groups(graph: ir.Graph) -> Iterator[list[ir.Node]]:
    """The choices that can be one: two or more. The nodes of the graph are in order."""
    groups: list[list[ir.Node]] = []
    for node in graph:
        if not _is_choice(node):
            continue
        before = _made_of(node, graph)
        for group in groups:
            if group[0].inputs[0] is node.inputs[0] and before.isdisjoint(group):
                group.append(node)
                break
        else:
            groups.append([node])
    yield from (group for group in groups if len(group) > 1)


def _is_choice(node: ir.Node) -> bool:
    return node.op_type == "If" and all([n.op_type for n in branch] == ["Identity"] for branch in _branches(node))


def _branches(node: ir.Node) -> list[ir.Graph]:
    return [node.attributes[name].as_graph() for name in BRANCHES]


def _made_of(node: ir.Node, graph: ir.Graph) -> set[ir.Node]:
    """The nodes of a graph that a node reads, directly or not."""
    behind: set[ir.Node] = set()
    waiting = [node]
    while waiting:
        for value in _reads(waiting.pop()):
            producer = value.producer() if value is not None else None
            if producer is not None and producer.graph is graph and producer not in behind:
                behind.add(producer)
                waiting.append(producer)
    return behind


def _reads(node: ir.Node) -> Iterator[ir.Value | None]:
    """What a node reads, its inner graphs included."""
    yield from node.inputs
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield from (value for inner in attribute.as_graph().all_nodes() for value in inner.inputs)


def _join(group: list[ir.Node]) -> None:
    """One `If` in the place of several."""
    first = group[0]
    graph = first.graph
    assert graph is not None
    parts = [_branches(node) for node in group]
    attributes = [
        ir.AttrGraph(name, _one(alike)) for name, alike in zip(BRANCHES, zip(*parts, strict=True), strict=True)
    ]
    whole = ir.Node("", "If", [first.inputs[0]], attributes, num_outputs=len(group), name=first.name)
    graph.insert_before(first, whole)
    for node, result in zip(group, whole.outputs, strict=True):
        (old,) = node.outputs
        result.name, result.type, result.shape = old.name, old.type, old.shape
        old.replace_all_uses_with(result, replace_graph_outputs=True)
    graph.remove(group, safe=True)


def _one(branches: Sequence[ir.Graph]) -> ir.Graph:
    """The nodes and results of several branches as one."""
    nodes = [node for branch in branches for node in list(branch)]
    outputs = [value for branch in branches for value in branch.outputs]
    for branch in branches:
        branch.outputs.clear()
        branch.remove(list(branch))
    return ir.Graph([], outputs, nodes=nodes, name=branches[0].name)
