"""Nodes whose results only one branch of an `If` reads are moved into that branch.

So a text that takes the largest logit draws no random number.
"""

from __future__ import annotations

import onnx_ir as ir

Parents = dict[
    ir.Graph, tuple[ir.Graph, bool]
]  # Of inner graphs: the graph around, and whether they are a branch of an `If`.


def lazy(graph: ir.Graph) -> None:
    """Move every node whose results are read inside one branch alone to the start of that branch, in all graphs."""
    parents = _parents(graph)
    for inner in [graph, *parents]:
        homes: dict[ir.Node, ir.Graph] = {}  # Of the nodes that leave it, the last ones first.
        for node in reversed(list(inner)):
            home = _home(node, inner, parents, homes)
            if home is not inner:
                homes[node] = home
        inner.remove(homes)
        for node, home in homes.items():
            home.insert_before(home[0], node)


def drop_unread(graph: ir.Graph) -> None:
    """Take out the nodes of a graph whose results nothing reads."""
    for node in reversed(list(graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            graph.remove(node, safe=True)


def _parents(graph: ir.Graph) -> Parents:
    """The parents of all inner graphs, the outer ones first."""
    parents: Parents = {}
    for node in graph:
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                inner = attribute.as_graph()
                parents |= {inner: (graph, node.op_type == "If"), **_parents(inner)}
    return parents


def _home(node: ir.Node, graph: ir.Graph, parents: Parents, homes: dict[ir.Node, ir.Graph]) -> ir.Graph:
    """The innermost branch that contains all uses of a node, once others are in their `homes`; its own graph where there is none."""
    if any(value.is_graph_output() for value in node.outputs):
        return graph
    users = [homes.get(use.node, use.node.graph) for value in node.outputs for use in value.uses()]
    home = graph
    for level in zip(*(_path(user, graph, parents) for user in users if isinstance(user, ir.Graph)), strict=False):
        if any(g is not level[0] for g in level):
            break
        home = level[0]
    return home


def _path(inner: ir.Graph, outer: ir.Graph, parents: Parents) -> list[ir.Graph]:
    """The branches from `outer` to `inner`; those around a loop's body are left out, since a body may run many times."""
    path: list[ir.Graph] = []
    while inner is not outer:
        parent, is_branch = parents[inner]
        path = [inner, *path] if is_branch else []
        inner = parent
    return path
