"""Loops played again from their tapes (`tape.py`): each turn begins with the states that the tape has, whatever this graph makes.

So two programs are compared turn by turn, and no rounding of one turn goes on to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Loop
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.passes.loops.tapes.margins import emit_margins
from mai.compiler.passes.loops.tapes.tape import has_all_rows, taped_loops

Sizes = tuple[Size, ...]


@dataclass(slots=True)
class Replay:
    """A loop in a graph of turns: what it reads from a tape, and what it makes of that.

    turns: how many turns the loops around it have, the outermost first, and this one.
    before, last: inputs of the graph, the states at the start of each turn and at the end, with a tape's axes.
    results: the states that the graph begins the loop with, then those after each turn, in the same axes; where a condition
        ends the loop, then how far each of its comparisons is from saying otherwise, in each turn.
    """

    loop: Node
    depth: int
    turns: Sizes
    before: list[Value]
    last: list[Value]
    results: list[Value]


class _Player:
    """Copies a graph; `around` are the turns of the loops around what is being copied, the outermost first."""

    def __init__(self, graph: Graph) -> None:
        self.replays: dict[Node, Replay] = {}
        around: list[Size] = []
        for place, (node, depth) in enumerate(taped_loops(graph)):
            own = Loop.of(node).count if has_all_rows(node) else None
            around[depth:] = [symbol(f"turns_{place}") if own is None else own]
            self.replays[node] = _replay(node, place, depth, tuple(around))
        self.around: list[Value] = []
        self.inside: list[list[Replay]] = [[]]  # For each loop that is being copied, the replays of those in it.

    def __call__(self, copier: Copier, node: Node) -> bool:
        """The rule: a loop becomes one whose turns do not see each other."""
        if node not in self.replays:
            return False
        replay = self.replays[node]
        before, last = (self._taken(copier, values) for values in (replay.before, replay.last))
        first = [copier[v] for v in node.inputs[1:]]
        body, within, margins_count = self._body(copier, node, before)
        copier.builder.span, copier.builder.scope = node.span, node.scope
        turns = replay.turns[-1]
        loop = Loop(turns, fresh=False)
        rows = list(copier.builder.loop(copier.builder.size(turns), loop, [], body))
        inner = iter(rows[len(node.outputs) :])
        margins = [next(inner) for _ in range(margins_count)]
        replay.results = [*first, *rows[: len(first)], *margins]
        copier.bind(node, *last, *rows[len(first) : len(node.outputs)])
        for each in within:
            each.results = [next(inner) for _ in each.results]
        self.inside[-1] += [replay, *within]
        return True

    def _taken(self, copier: Copier, values: Sequence[Value]) -> list[Value]:
        """Values of the tape as they are in the turns around."""
        taken = list(values)
        for turn in self.around:
            taken = [_row(copier, v, turn) for v in taken]
        return taken

    def _body(self, copier: Copier, node: Node, before: Sequence[Value]) -> tuple[Region, list[Replay], int]:
        """One turn from the tape's states; it keeps all that leaves it, its margins and how many, and what the loops in it make."""
        region = node.regions[0]
        body = Region([Value(region.inputs[0].type, "turn")])
        outer, copier.builder.region = copier.builder.region, body
        self.around.append(body.inputs[0])
        self.inside.append([])
        starts = [_row(copier, v, body.inputs[0]) for v in before]
        copier.mapping.update(zip(region.inputs, [body.inputs[0], *starts], strict=True))
        copier.nodes(region.nodes)
        within = self.inside.pop()
        self.around.pop()
        margins = emit_margins(copier, region) if Loop.of(node).decides else []
        body.outputs = [*(copier[v] for v in region.outputs), *margins, *(v for r in within for v in r.results)]
        copier.builder.region = outer
        return body, within, len(margins)


def replayed(graph: Graph) -> tuple[Graph, list[Replay]]:
    """A graph that takes tapes as further inputs, each loop's `before` and `last`, and gives each loop's `results` after its own."""
    player = _Player(graph)
    result = copy_graph(graph, player)
    replays = list(player.replays.values())
    result.inputs += [v for replay in replays for v in (*replay.before, *replay.last)]
    for replay in replays:
        if not has_all_rows(replay.loop):
            axis = len(replay.before[0].type.lead) + replay.depth
            result.sizes[str(replay.turns[-1])] = (replay.before[0], axis)
    result.outputs += [v for replay in replays for v in replay.results]
    result.output_names += [f"replay_{i}" for i in range(len(result.outputs) - len(result.output_names))]
    return result, replays


def _replay(loop: Node, place: int, depth: int, turns: Sizes) -> Replay:
    states = [v.type for v in loop.regions[0].inputs[1:]]
    before = [Value(t.with_shape((*turns, *t.shape)), f"before_{place}_{i}") for i, t in enumerate(states)]
    last = [Value(t.with_shape((*turns[:-1], *t.shape)), f"last_{place}_{i}") for i, t in enumerate(states)]
    return Replay(loop, depth, turns, before, last, [])


def _row(copier: Copier, table: Value, turn: Value) -> Value:
    rank = table.type.rank
    return copier.builder.emit(Take, table, turn, axis=-rank, rank=rank, name=table.name)
