"""Dead code."""

from __future__ import annotations

from collections.abc import Iterable

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import copy_graph
from mai.compiler.ir.structure import CONTROL, Loop, WeightOf


def prune(graph: Graph) -> Graph:
    """Every node and every state of a loop leads to an output; `weights` holds those that are read."""
    return prune_in_place(copy_graph(graph))


def prune_in_place(graph: Graph) -> Graph:
    """The same, in a graph that may be changed."""
    needed = {*graph.outputs, *graph.sources.values()}
    _need(graph, needed)
    _sweep(graph, needed)
    read = {WeightOf.of(node).weight for node in graph.walk() if node.op is WeightOf}
    graph.weights = {name: w for name, w in graph.weights.items() if name in read}
    return graph


def select(graph: Graph, outputs: list[int]) -> Graph:
    """The graph with only some of its outputs, and what they need."""
    selected = copy_graph(graph)
    selected.outputs = [selected.outputs[i] for i in outputs]
    selected.output_names = [selected.output_names[i] for i in outputs]
    return prune(selected)


def needed_for(region: Region, outputs: Iterable[Value]) -> set[Value]:
    """These outputs of a region, and all values inside and around it that they are made of."""
    needed = set(outputs)
    _need(region, needed)
    return needed


def _need(region: Region, needed: set[Value]) -> None:
    """Add what the needed values are made of."""
    for node in reversed(region.nodes):
        if needed.isdisjoint(node.outputs):
            continue
        if node.op is Loop:
            _need_loop(node, needed)
            continue
        needed.update(node.inputs)
        for inner in node.regions:
            needed.update(inner.outputs)
            _need(inner, needed)


def _need_loop(loop: Node, needed: set[Value]) -> None:
    """A state is alive if its last value is needed, or if a turn reads it for something that is: a least fixed point.

    What else is read inside comes before its readers, and is seen in one turn.
    """
    body, alive = loop.regions[0], list[bool]()
    while (now := _alive(loop, needed)) != alive:
        alive = now
        needed.update(value for value, is_alive in zip(body.outputs, alive, strict=True) if is_alive)
        _need(body, needed)
    states = len(loop.inputs) - 1
    needed.update(loop.inputs[:1], (v for v, is_alive in zip(loop.inputs[1:], alive[:states], strict=True) if is_alive))


def _alive(loop: Node, needed: set[Value]) -> list[bool]:
    """For each state, then for each kept value, whether something needs it."""
    inside = [v in needed for v in loop.regions[0].inputs[1:]]
    steering = CONTROL if Loop.of(loop).control else int(Loop.of(loop).stops)  # They have their places.
    inside[:steering] = [True] * steering
    inside += [False] * (len(loop.outputs) - len(inside))
    return [value in needed or read for value, read in zip(loop.outputs, inside, strict=True)]


def _sweep(region: Region, needed: set[Value]) -> None:
    kept = []
    for node in region.nodes:
        if needed.isdisjoint(node.outputs):
            node.drop()
        else:
            kept.append(node)
    region.nodes = kept
    for node in kept:
        if node.op is Loop:
            _drop_states(node, _alive(node, needed))
        for inner in node.regions:
            _sweep(inner, needed)


def _drop_states(loop: Node, alive: list[bool]) -> None:
    if all(alive):
        return
    loop.unlink()
    body, states = loop.regions[0], len(loop.inputs) - 1
    loop.inputs = (loop.inputs[0], *_those(loop.inputs[1:], alive[:states]))
    body.inputs = [body.inputs[0], *_those(body.inputs[1:], alive[:states])]
    body.outputs, loop.outputs = _those(body.outputs, alive), tuple(_those(loop.outputs, alive))
    loop.link()


def _those(values: list[Value] | tuple[Value, ...], alive: list[bool]) -> list[Value]:
    return [value for value, is_alive in zip(values, alive, strict=True) if is_alive]
