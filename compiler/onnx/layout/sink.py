"""Weights that only a loop's body uses belong to that body.

From outside, convolutions miss the runtime's blocked layout and matrices are not packed once and for all.
"""

from __future__ import annotations

import onnx_ir as ir


def sink(graph: ir.Graph) -> None:
    """Move every initializer to the innermost graph that holds all of its uses; drop those that have none."""
    chains = _chains(graph, (graph,))
    inputs = set(graph.inputs)
    for value in list(graph.initializers.values()):
        if value in inputs:
            continue
        homes = [chains[use.node] for use in value.uses()]
        if homes and _common(homes) is graph:
            continue
        del graph.initializers[str(value.name)]
        if homes:
            _common(homes).register_initializer(value)


def _chains(graph: ir.Graph, chain: tuple[ir.Graph, ...]) -> dict[ir.Node, tuple[ir.Graph, ...]]:
    """The graphs around each node, the root first."""
    found = {}
    for node in graph:
        found[node] = chain
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                inner = attribute.as_graph()
                found |= _chains(inner, (*chain, inner))
    return found


def _common(chains: list[tuple[ir.Graph, ...]]) -> ir.Graph:
    """The last graph that all chains begin with."""
    home = chains[0][0]
    for level in zip(*chains, strict=False):
        if any(g is not level[0] for g in level):
            break
        home = level[0]
    return home
