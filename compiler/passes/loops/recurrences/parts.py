"""A loop of which some states enter their own updates affinely and others do not, as loops one after the other.

This is loop distribution (Kennedy and McKinley 1990): states that read each other stay in one loop, and a loop comes after those whose
states it reads. What it reads of an earlier one is kept for all turns, and is a table to it. So the affine states become recurrences
(`recurrence.py`), and only the others go turn by turn. RWKV 4 (Peng et al. 2023) is of this kind: the largest exponent so far
is a loop by itself, and the two sums are recurrences once that is there.

A loop stays whole where parts would not be what was asked for: where no state is affine, or each that is reads others that read it;
where it reads no table of its turns and keeps nothing of them, since parts would keep all turns of what now takes the memory of
one; where what cannot be done for many turns at once, a draw or a loop in the loop, is read by an affine state alone, or reads one
and leaves the loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, made_in, nodes_for, reading
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Loop
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.passes.loops.hoist import split_by_dependence
from mai.compiler.passes.loops.recurrences.recurrence import (
    Recurrence,
    can_widen,
    find_recurrence,
    rows_taken,
    states_behind,
)
from mai.compiler.passes.loops.recurrences.state_sets import StateSet, fewest_groups, state_sets
from mai.spec.record import record


@record
class Parts:
    """One loop as several.

    free: nodes of its body that depend on nothing inside, to be done before.
    loops: in their order, each reading what those before it keep, and as blocks of turns, None for one that goes turn by turn.
    results: what the outputs of the whole loop are among theirs.
    """

    free: tuple[Node, ...]
    loops: tuple[tuple[Node, Recurrence | None], ...]
    results: tuple[Value, ...]


def part_loop(graph: Graph, loop: Node, size: Size) -> Parts | None:
    """The parts of a loop, some of which are recurrences by blocks of `size` turns; None where it stays whole."""
    if not _may_part(graph, loop):
        return None
    groups = fewest_groups(state_sets(loop.regions[0]))
    is_mixed = len({group[0].is_affine for group in groups}) == 2
    return _Parting(loop, groups).parts(graph, size) if is_mixed else None


def _may_part(graph: Graph, loop: Node) -> bool:
    """Whether a loop takes all its turns, and has tables of them already."""
    rule, body = Loop.of(loop), loop.regions[0]
    if rule.fresh or rule.stops or rule.length or rule.count is None or body.inputs[0].type.lead:
        return False
    inside = made_in(body)
    has_tables = len(body.outputs) > len(body.inputs) - 1 or bool(rows_taken(loop, inside))
    return has_tables and inside.isdisjoint(graph.sources.values())


class _Part:
    """One part while it is made: its states by their places, and what it keeps for others, with the tables once these are there."""

    def __init__(self, group: Sequence[StateSet]) -> None:
        self.is_affine = group[0].is_affine
        self.places = sorted(set().union(*(s.states for s in group)))
        self.kept: dict[Value, Value] = {}


class _Parting:
    """One loop on its way to its parts."""

    def __init__(self, loop: Node, groups: Iterable[Sequence[StateSet]]) -> None:
        self.loop, self.body = loop, loop.regions[0]
        self.free, self.rest = split_by_dependence(self.body, set())
        self.inside = {*self.body.inputs, *(v for node in self.rest for v in node.outputs)}
        self.behind = states_behind(self.body)
        self.list = [_Part(group) for group in groups]
        self.owner: dict[Value, _Part] = {}  # Of what is computed in one part alone.

    def parts(self, graph: Graph, size: Size) -> Parts | None:
        """The loops of all parts; None where one that is affine is no recurrence after all."""
        done = set[int]()
        for part in self.list:
            done.update(part.places)
            self._own(part, done)
        kept = self.body.outputs[len(self.loop.inputs) - 1 :]
        if any(v in self.behind and v not in self.owner for v in kept):
            return None
        for value in kept:
            self._owner(value).kept[value] = value
        loops = [self._loop(part) for part in self.list]
        pairs = zip(loops, self.list, strict=True)
        blocks = [find_recurrence(graph, n, size, products=True) if part.is_affine else None for n, part in pairs]
        if any(part.is_affine and each is None for part, each in zip(self.list, blocks, strict=True)):
            return None
        return Parts(tuple(self.free), tuple(zip(loops, blocks, strict=True)), tuple(self._results(loops, kept)))

    def _owner(self, value: Value) -> _Part:
        """The part that computes a value; what any could, the last does."""
        return self.owner.get(value, self.list[-1])

    def _results(self, loops: Sequence[Node], kept: Iterable[Value]) -> Iterator[Value]:
        pairs = zip(loops, self.list, strict=True)
        last = {place: node.outputs[i] for node, part in pairs for i, place in enumerate(part.places)}
        yield from (last[place] for place in sorted(last))
        yield from (self._owner(value).kept[value] for value in kept)

    # ------------------------------------------------- what is computed where

    def _own(self, part: _Part, done: Collection[int]) -> None:
        """What a part computes: its updates, and beside recurrences what else reads the states done up to here."""
        ended = [self.body.outputs[i] for i in part.places]
        nodes = self._nodes(part, [*ended, *self._readers(done)] if part.is_affine else ended)
        for value in dict.fromkeys([*ended, *(v for node in nodes for v in reading(node))]):
            if value in self.owner:
                self.owner[value].kept[value] = value
        own = [v for n in nodes for v in n.outputs if v in self.behind or not can_widen(n, self.inside)]
        self.owner.update((v, part) for v in (*own, *(self.body.inputs[1 + i] for i in part.places)))

    def _readers(self, done: Collection[int]) -> Iterator[Value]:
        """What reads these states and no others, and can be done for many turns at once from what is there."""
        wide = {*self.body.inputs, *self.owner}
        for node in self.rest:
            if can_widen(node, self.inside) and all(v in wide or v not in self.inside for v in node.inputs):
                wide.update(node.outputs)
                behind = self.behind.get(node.output, set())
                if behind and behind <= set(done) and node.output not in self.owner:
                    yield node.output

    def _nodes(self, part: _Part, wanted: Iterable[Value]) -> list[Node]:
        """The nodes that make some values from what other parts compute."""
        own = [node for node in self.rest if all(self.owner.get(v, part) is part for v in node.outputs)]
        return nodes_for(own, wanted)

    # -------------------------------------------------------------- the loops

    def _loop(self, part: _Part) -> Node:
        """The loop of a part."""
        inputs = [self.body.inputs[0], *(self.body.inputs[1 + i] for i in part.places)]
        region = Region([Value(v.type, v.name) for v in inputs])
        builder = Builder(region, self.loop.span, self.loop.scope)
        copier = Copier(builder, dict(zip(inputs, region.inputs, strict=True)))
        wanted = [*(self.body.outputs[i] for i in part.places), *part.kept]
        nodes = self._nodes(part, wanted)
        for value in dict.fromkeys([*(v for node in nodes for v in reading(node)), *wanted]):
            if self.owner.get(value, part) is not part:
                copier.mapping[value] = _row(builder, self.owner[value].kept[value], value)
        copier.nodes(nodes)
        region.outputs = [copier[v] for v in wanted]
        builder.region, builder.span = Region(), self.loop.span
        count, *states = self.loop.inputs
        first = [states[i] for i in part.places]
        rows = builder.loop(count, Loop(Loop.of(self.loop).count, False), first, region)[len(first) :]
        part.kept.update(zip(part.kept, rows, strict=True))
        return builder.region.nodes[0]


def _row(builder: Builder, table: Value, value: Value) -> Value:
    """What a table has of the turn."""
    rank = table.type.rank
    return builder.emit(Take, table, builder.region.inputs[0], axis=-rank, rank=rank, name=value.name)
