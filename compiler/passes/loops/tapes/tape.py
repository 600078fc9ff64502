"""Loops that tell what happened in them: the states at their start, after each turn, and at their end, as outputs of the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import Type

MOST_ROWS = 2**20  # Of a state of one loop, one for each turn of it and of those around it.


@dataclass(slots=True)
class Tape:
    """What the states of a loop were: `values` are all of them at the start, then after each turn, then at the end.

    loop: the node of the graph that was asked.
    depth: how many loops are around it. A state [lead..., shape...] has an axis for the turns of each of them, the outermost
        first, between lead axes and shape; what is after each turn has one more, for the turns of this loop.
    """

    loop: Node
    depth: int
    values: list[Value]

    @property
    def states(self) -> list[Type]:
        """The types of the states."""
        return [v.type for v in self.loop.regions[0].inputs[1:]]


def taped_loops(graph: Graph) -> list[tuple[Node, int]]:
    """The loops whose states have the same sizes in all turns, and how many loops are around each, in their order.

    A text that grows is none of them, nor is what stands in it; nor are loops whose tapes would have more than `MOST_ROWS`.
    """
    return list(_loops(graph, set(graph.sources.values()), 0, 1))


def _loops(region: Region, sources: set[Value], depth: int, turns: int) -> Iterator[tuple[Node, int]]:
    for node in region.nodes:
        if node.op is not Loop or sources.intersection(node.regions[0].inputs):
            continue
        rule = Loop.of(node)
        if rule.count is None and not rule.control and (depth or not rule.until):
            continue
        most = turns * _most_turns(rule)
        if most <= MOST_ROWS:
            yield node, depth
            yield from _loops(node.regions[0], sources, depth + 1, most)


def has_all_rows(loop: Node) -> bool:
    """Whether a loop's tape has a row for each turn that there may be, as what the loop keeps itself; else for those taken."""
    return not Loop.of(loop).ends_early or len(loop.outputs) >= len(loop.inputs)


def _most_turns(rule: Loop) -> int:
    """How many turns a loop takes at most, as far as that is known."""
    count = rule.control.max_steps if rule.control else rule.count
    return count if isinstance(count, int) else 1


def taped(graph: Graph) -> tuple[Graph, list[Tape]]:
    """The graph with the tapes of its loops as further outputs, in the order of `taped_loops`: each tape's values in theirs."""
    depths = dict(taped_loops(graph))
    tapes: dict[Node, Tape] = {}
    inside: list[list[Tape]] = [[]]  # For each loop that is being copied, the tapes of those in it.

    def rule(copier: Copier, node: Node) -> bool:
        if node not in depths:
            return False
        tape = tapes[node] = Tape(node, depths[node], [])
        first = [copier[v] for v in node.inputs[1:]]
        inside.append([])
        body = copier.region(node.regions[0])
        within = inside.pop()
        body.outputs += [*body.outputs[: len(first)], *(v for t in within for v in t.values)]
        outputs = _looped(copier, node, body, depths[node])
        copier.bind(node, *outputs[: len(node.outputs)])
        rows = iter(outputs[len(node.outputs) :])
        tape.values = [*first, *(next(rows) for _ in first), *outputs[: len(first)]]
        for inner in within:
            inner.values = [next(rows) for _ in inner.values]
        inside[-1] += [tape, *within]
        return True

    result = copy_graph(graph, rule)
    ordered = [tapes[node] for node in depths]
    result.outputs += [v for tape in ordered for v in tape.values]
    result.output_names += [f"tape_{i}" for i in range(len(result.outputs) - len(result.output_names))]
    return result, ordered


def _looped(copier: Copier, node: Node, body: Region, depth: int) -> tuple[Value, ...]:
    """The same loop with a body that keeps more."""
    rule = Loop.of(node)
    copier.builder.span, copier.builder.scope = node.span, node.scope
    # Rows of a loop that stands alone are as many as its turns; those in another loop are filled up, to be stacked.
    alone = depth == 0 and not has_all_rows(node)
    turns = symbol("turns taken") if alone else _turns(rule)
    kept = replace(rule, count=turns, fill=None if alone else rule.fill)
    return copier.builder.loop(copier[node.inputs[0]], kept, [copier[v] for v in node.inputs[1:]], body)


def _turns(rule: Loop) -> Size:
    if rule.count is not None:
        return rule.count
    assert rule.control is not None, "a loop in a loop has a known number of turns at most"
    return rule.control.max_steps
