"""A turn whose keys and values have as many places as they ever have, for hosts that want fixed shapes.

In the usual form of a turn these states grow: what attentions read of the past is as long as the text. Here they are [capacity], the new
tokens are written behind those before, and what stands behind is not looked at, since it is later. Shapes of `past + new` places have
the capacity; numbers that are made of the text's length are what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import Size, substitute, symbol, symbols
from mai.compiler.ir.structure import SizeOf
from mai.compiler.ops.products.cached_attention import CachedAttention, FixedAttention
from mai.compiler.passes.local.freeze import with_sizes
from mai.spec.diagnostics import Diagnostic, MaiError


def fixed_cache(graph: Graph, capacity: int) -> Graph:
    """One turn of a text, a graph of `passes.step`, with caches of `capacity` places.

    Raises:
        MaiError: `no-capacity`: a state that grows is none of keys or values.
    """
    one = graph.one_turn
    assert one is not None, "one turn of a text"
    past, before, new = f"{one.length}_past", f"{one.length}_before", symbol(f"{one.length}_new")
    graph = copy_graph(graph)
    caches = _caches(graph, past)
    if not caches:
        return graph
    count = graph.sources[past]
    for value in caches:
        shape = tuple(capacity if past in symbols(size) else size for size in value.type.shape)
        value.type = value.type.with_shape(shape)
    rule = partial(_with_places, count, {past: symbol(before)})
    fixed = with_sizes(copy_graph(graph, rule), {past: capacity - new})
    fixed.sizes[before] = fixed.sizes.pop(past)  # Which numbers alone are made of.
    fixed.one_turn = replace(one, past=count.name, capacity=capacity, fixed=tuple(v.name for v in caches))
    return fixed


def _with_places(count: Value, names: Mapping[str, Size], copier: Copier, node: Node) -> bool:
    """Attention to places, `count` of which are of tokens before; numbers that are made of sizes speak of these by other names."""
    if node.op is CachedAttention:
        inputs = [copier[v] for v in (*node.inputs, count)]
        copier.bind(node, *copier.builder.emit_all(FixedAttention, inputs, node.attributes))
    elif node.op is SizeOf:
        copier.bind(node, copier.builder.size(substitute(SizeOf.of(node).size, names)))
    return node.op in (CachedAttention, SizeOf)


def _caches(graph: Graph, past: str) -> list[Value]:
    """The states that grow: keys and values alone."""
    growing = [v for v in graph.inputs if any(past in symbols(size) for size in v.type.shape)]
    for value in growing:
        for node in value.uses:
            if node.op is not CachedAttention or value not in node.inputs[3:5]:
                message = f"`{node.op.name}` keeps what grows with the text, and is no attention by itself: its states have no fixed size"
                raise MaiError([Diagnostic("no-capacity", node.span, message, help="compile without `--capacity`")])
    return growing
