"""Weights that only a loop's body uses are moved into that body.

ONNX Runtime gives convolutions its blocked layout, and packs matrices once, only where their weights lie in the same graph.
"""

from __future__ import annotations

import onnx_ir as ir


def sink(graph: ir.Graph) -> None:
    """Move every initializer to the innermost graph that contains all of its uses; remove those without a use."""
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
    chains = {}
    for node in graph:
        chains[node] = chain
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                inner = attribute.as_graph()
                chains |= _chains(inner, (*chain, inner))
    return chains


def _common(chains: list[tuple[ir.Graph, ...]]) -> ir.Graph:
    """The innermost graph that all chains share."""
    home = chains[0][0]
    for level in zip(*chains, strict=False):
        if any(g is not level[0] for g in level):
            break
        home = level[0]
    return home
