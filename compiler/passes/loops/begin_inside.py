"""What the memory of a loop begins with is computed in its first turn, where it convolves with weights that the loop reads, too.

ONNX Runtime gives convolutions its own layout where one graph alone reads their weights. A method that begins with evaluations of its own,
as those of Adams and Bashforth do, would take it from all turns: a third of their speed. A choice on the number of the turn is
a branch in the file (`analyses/choices.py`), so only the first turn computes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, alone_for, copy_graph, rewriting
from mai.compiler.ir.structure import Loop
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products.convolution import Conv, ConvTranspose
from mai.compiler.passes.fill import full

CONVOLUTIONS = (Conv, ConvTranspose)


@rewriting(*CONVOLUTIONS)
def begin_inside(graph: Graph) -> Graph:
    """The first values of states that nothing reads after a loop are computed in it, if convolutions then share its weights."""
    alone_by_loop = {node: alone for region in graph.regions() for node, alone in _own_beginnings(region)}
    if not alone_by_loop:
        return graph
    moved = {node for alone in alone_by_loop.values() for node in alone}

    def rule(copier: Copier, node: Node) -> bool:
        if node in alone_by_loop:
            copier.bind(node, *_loop(copier, node, alone_by_loop[node]))
        return node in alone_by_loop or node in moved

    return copy_graph(graph, rule)


def _own_beginnings(region: Region) -> Iterator[tuple[Node, list[Node]]]:
    """The loops of a region with the nodes that their memory alone begins with."""
    for place, node in enumerate(region.nodes):
        if node.op is Loop and not Loop.of(node).stops:
            alone = _alone(region, place)
            if _convolves_alike(alone, node.regions[0]):
                yield node, alone


def _alone(region: Region, place: int) -> list[Node]:
    """The nodes that nothing reads but first values of a loop's states which are not read after it."""
    loop, before = region.nodes[place], region.nodes[:place]
    states = list(zip(loop.inputs[1:], loop.outputs, strict=False))
    kept = {first for first, last in states if last.uses or last in region.outputs} | {loop.inputs[0]}
    memory = {first for first, _ in states} - kept

    def begins_memory(reader: Node, node: Node) -> bool:
        return reader is loop and memory.issuperset(v for v in node.outputs if loop in v.uses)

    alone = alone_for(before, region.outputs, begins_memory)
    return [node for node in before if node in alone]


def _convolves_alike(alone: list[Node], body: Region) -> bool:
    """Whether convolutions of both read a weight."""
    weights = [{n.inputs[1] for n in nodes if n.op in CONVOLUTIONS} for nodes in (alone, body.walk())]
    return not weights[0].isdisjoint(weights[1])


def _loop(copier: Copier, node: Node, alone: list[Node]) -> tuple[Value, ...]:
    """The loop with these nodes inside, and zeros in the place of what they gave it."""
    builder, body = copier.builder, node.regions[0]
    is_own = [v.producer in alone for v in node.inputs[1:]]
    firsts = [
        full(builder, state.type, 0) if own else copier[first]
        for own, first, state in zip(is_own, node.inputs[1:], body.inputs[1:], strict=True)
    ]

    def begin(inputs: list[Value]) -> list[Value]:
        for each in alone:
            builder.span, builder.scope = each.span, each.scope
            copier.copy(each)
        builder.span, builder.scope = node.span, node.scope
        turn, *states = inputs
        is_first = builder.emit(logic.Equal, turn, builder.constant(0), name="first")
        pairs = zip(is_own, node.inputs[1:], states, strict=True)
        return [turn, *(_first_state(copier, is_first, first, s) if own else s for own, first, s in pairs)]

    inner = copier.region(body, begin)
    builder.span, builder.scope = node.span, node.scope
    return builder.loop(copier[node.inputs[0]], Loop.of(node), firsts, inner)


def _first_state(copier: Copier, is_first: Value, first: Value, state: Value) -> Value:
    """A state of the loop: in the first turn what it begins with."""
    value = copier.builder.spread(copier[first], state.type.lead)
    return copier.builder.emit(logic.Where, is_first, value, state, name=state.name)
