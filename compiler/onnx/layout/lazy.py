"""What only one branch of an `If` reads is computed in that branch: no number is drawn where the largest logit is taken."""

from __future__ import annotations

import onnx_ir as ir

Around = dict[ir.Graph, tuple[ir.Graph, bool]]


def lazy(graph: ir.Graph) -> None:
    """Move every node whose results are read inside one branch alone to the beginning of that branch, here and within."""
    around = _around(graph)
    for inner in [graph, *around]:
        for node in reversed(list(inner)):
            home = _home(node, inner, around)
            if home is not inner:
                inner.remove(node)
                home.insert_before(home[0], node)


def _around(graph: ir.Graph) -> Around:
    """For every graph inside, the outer ones first: the graph that it stands in, and whether it is a branch of an `If`."""
    found: Around = {}
    for node in graph:
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                inner = attribute.as_graph()
                found |= {inner: (graph, node.op_type == "If"), **_around(inner)}
    return found


def _home(node: ir.Node, graph: ir.Graph, around: Around) -> ir.Graph:
    """The innermost branch that holds all uses of a node; its own graph where there is none."""
    if any(value.is_graph_output() for value in node.outputs):
        return graph
    users = [use.node.graph for value in node.outputs for use in value.uses()]
    home = graph
    for level in zip(*(_path(user, graph, around) for user in users if isinstance(user, ir.Graph)), strict=False):
        if any(g is not level[0] for g in level):
            break
        home = level[0]
    return home


def _path(inner: ir.Graph, outer: ir.Graph, around: Around) -> list[ir.Graph]:
    """The branches to go through from `outer` to `inner`, as far as no loop's body is on the way."""
    path: list[ir.Graph] = []
    while inner is not outer:
        parent, is_branch = around[inner]
        path = [inner, *path] if is_branch else []
        inner = parent
    return path
