"""Weights that only a loop's body uses are moved into that body; small constants lie in every graph that reads them.

ONNX Runtime gives convolutions its blocked layout, and packs matrices once, only where their weights lie in the same graph. A constant
of a graph around that CUDA reads in two places, as an axis on the host and as a number on the device, is copied each time a body runs.
"""

from __future__ import annotations

import onnx_ir as ir

FEW = 16  # Elements of a constant that lies in every graph that reads it.


def sink(graph: ir.Graph) -> None:
    """Move every initializer to the innermost graph that contains all of its uses; remove those without a use."""
    chains = _chains(graph, (graph,))
    inputs = set(graph.inputs)
    for value in list(graph.initializers.values()):
        if value in inputs:
            continue
        homes = [chains[use.node] for use in value.uses()]
        if _is_few(value):
            _repeat(value, graph, chains)
            continue
        if homes and _common(homes) is graph:
            continue
        del graph.initializers[str(value.name)]
        if homes:
            _common(homes).register_initializer(value)


def _is_few(value: ir.Value) -> bool:
    """Whether a value is a few whole numbers."""
    tensor = value.const_value
    return tensor is not None and tensor.dtype == ir.DataType.INT64 and tensor.size <= FEW


def _repeat(value: ir.Value, graph: ir.Graph, chains: dict[ir.Node, tuple[ir.Graph, ...]]) -> None:
    """Give every graph that reads a constant one of its own, under a name of its own."""
    own: dict[ir.Graph, ir.Value] = {}
    for node, place in value.uses():
        home = chains[node][-1]
        if home is graph:
            own[home] = value
        elif home not in own:
            own[home] = ir.Value(
                name=f"{value.name}.{home.name}", type=value.type, shape=value.shape, const_value=value.const_value
            )
            home.register_initializer(own[home])
        node.replace_input_with(place, own[home])
    if graph not in own:
        del graph.initializers[str(value.name)]


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
