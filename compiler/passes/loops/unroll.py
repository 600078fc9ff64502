"""A `repeat` that owns fresh parameters becomes its turns, each with weights of its own."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.ir.graph import Graph, Node, Region, Value, turns_of
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ir.structure import Constant, Loop, WeightOf
from mai.compiler.ops.shapes.shape import Stack
from mai.compiler.passes.fill import full
from mai.compiler.passes.local.prune import needed_for


@rewriting(Loop)
def unroll(graph: Graph, at_most: int | None = None, *, alike: bool = True) -> Graph:
    """No fresh loop is left, and no weight's name has a `{}`.

    With `at_most`, a loop whose body does not depend on its turn has no more turns than that, and one more for each
    state beside the first: for whoever only wants to know what can be done with the body, since its turns are alike, and what is true of one
    state comes to the last one by way of all others. Without `alike`, any fresh loop has its first turns alone.
    """
    if not any(node.op is Loop and Loop.of(node).fresh for node in graph.walk()):
        return graph
    turns: list[int] = []

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is WeightOf:
            copier.bind(node, copier.builder.weight(unrolled.weights[_filled(WeightOf.of(node).weight, turns)]))
            return True
        if node.op is not Loop or not Loop.of(node).fresh:
            return False
        states, kept = [copier[v] for v in node.inputs[1:]], []
        body, own = node.regions[0].nodes, _of_each_turn(node.regions[0])
        for turn in range(_turns(node, at_most, alike)):
            turns.append(turn)
            states, rows = one_turn(copier, node, turn, states, own if turn else body)
            kept.append(rows)
            turns.pop()
        copier.bind(node, *states, *stacked(copier, node, kept))
        return True

    unrolled = Graph(weights={w.name: w for weight in graph.weights.values() for w in turns_of(weight)})
    copied = copy_graph(graph, rule)
    copied.weights = unrolled.weights
    return copied


def _of_each_turn(body: Region) -> list[Node]:
    """A body without what reads nothing, as positions made of constants: the first turn computes it for all."""
    alike = set[Value]()
    for node in body.nodes:
        if (node.op is Constant or node.structure is None) and not node.regions and alike.issuperset(node.inputs):
            alike.update(node.outputs)
    return [node for node in body.nodes if not node.outputs or node.output not in alike]


def one_turn(
    copier: Copier, loop: Node, turn: int, states: Sequence[Value], nodes: Sequence[Node] | None = None
) -> tuple[list[Value], list[Value]]:
    """Copy a loop's body, or those of its `nodes` that were not copied before, as one of its turns: the states after it, and what it keeps."""
    region = loop.regions[0]
    copier.mapping.update(zip(region.inputs, [copier.builder.constant(turn), *states], strict=True))
    copier.nodes(region.nodes if nodes is None else nodes)
    results = [copier[v] for v in region.outputs]
    return results[: len(states)], results[len(states) :]


def stacked(copier: Copier, loop: Node, kept: Sequence[Sequence[Value]]) -> list[Value]:
    """What each turn keeps, as rows; turns that were left out are as the last."""
    b, count, types = copier.builder, Loop.of(loop).count, [v.type for v in loop.outputs[len(loop.inputs) - 1 :]]
    assert isinstance(count, int), "a fresh loop has a known number of turns"
    if not kept:
        return [full(b, type, 0.0) for type in types]
    turns = [*kept, *[kept[-1]] * (count - len(kept))]
    return [b.emit(Stack, *rows, axis=-types[i].rank) for i, rows in enumerate(zip(*turns, strict=True))]


def _turns(loop: Node, at_most: int | None, alike: bool) -> int:
    count = Loop.of(loop).count
    assert isinstance(count, int), "a fresh loop has a known number of turns"
    if at_most is None or (alike and _asks_for_its_turn(loop.regions[0])):
        return count
    return min(count, at_most + max(0, len(loop.inputs) - 2))


def _asks_for_its_turn(body: Region) -> bool:
    """Whether the turn makes a difference to what a turn gives: its number is also handed to loops inside that do not read it."""
    return body.inputs[0] in needed_for(body, body.outputs)


def _filled(name: str, turns: list[int]) -> str:
    """A weight's name for the turns it stands in, the outermost first.

    The innermost ones are its own: a net that is called from a `repeat` has the same weights at every turn of it.
    """
    for turn in turns[len(turns) - name.count("{}") :]:
        name = name.replace("{}", str(turn), 1)
    return name
