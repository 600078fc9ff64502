"""Tables of a loop's turns, and rows kept of them, made for a block of turns at a time.

`hoist` computes what depends on the turn alone for all turns, before the loop. A call says how many turns there are, and may say ten
million: the tables would then take gigabytes, and be made by single operators that no limit of time can end. What is kept of each
turn is a tensor of its own until the loop ends, of some 500 bytes beside its numbers. So such a loop
becomes an outer one over blocks of turns. A block makes its own rows of the tables, an inner loop takes its turns, and what that keeps
is one tensor. As many turns as most calls have are one block, which computes the same bits. Where a condition ends the examples, the
blocks after the last end take a turn at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, nodes_for, reached, rewriting, symbols_of
from mai.compiler.ir.sizes import Dim, Size, symbol, symbols
from mai.compiler.ir.structure import VIEWS, Lead, Loop, Unlead
from mai.compiler.ir.types import TURN_DEPTH, Axis, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.shapes.indexing import Iota, Slice, Take
from mai.compiler.ops.shapes.shape import Reshape, Transpose
from mai.compiler.passes.local.prune import prune_in_place
from mai.compiler.passes.loops.recurrences.parts import part_loop
from mai.compiler.passes.loops.recurrences.recurrence import find_recurrence

MOST_TURNS = 4096  # Of a block.
MOST_ELEMENTS = 2**23  # Of one table of a block, or of what it keeps, 32 MB, where the sizes of the rows are known.
RECURRENCE = 64  # Turns of a block of a recurrence; any number finds the same ones.


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one loop: what makes them from the numbers `turns` of the turns, and the nodes of the body that take rows of them.

    kept: what the body keeps of each turn.
    """

    turns: tuple[Value, ...]
    makers: tuple[Node, ...]
    tables: tuple[Value, ...]
    takers: frozenset[Node]
    kept: tuple[Value, ...]

    @property
    def block(self) -> int:
        """How many turns a block has."""
        values = [*self.kept, *(v for node in self.makers for v in node.outputs)]
        rows = [prod(s for s in v.type.physical if isinstance(s, int)) for v in values]
        return max(1, min(MOST_TURNS, MOST_ELEMENTS // max(rows, default=1)))

    @property
    def is_worth_it(self) -> bool:
        """Whether blocks spare memory: rows of many numbers alone take as much in any order."""
        return bool(self.tables) or (bool(self.kept) and self.block == MOST_TURNS)


@rewriting(Loop)
def in_blocks(graph: Graph) -> Graph:
    """Replace every loop that has tables or keeps rows, and may take more turns than a block has, by a loop of blocks of turns."""
    tables = dict(_all_tables(graph))
    if not tables:
        return graph
    blocks = _Blocks(tables)
    return prune_in_place(copy_graph(graph, blocks.rule, blocks.copier))  # Of tables of all turns.


def _all_tables(graph: Graph) -> Iterator[tuple[Node, Tables]]:
    for region in graph.regions():
        for node in region.nodes:
            tables = _tables(region, node) if node.op is Loop and _takes_all_turns(graph, node) else None
            if tables is not None and not _is_recurrence(graph, node):
                yield node, tables


def _takes_all_turns(graph: Graph, loop: Node) -> bool:
    """Whether a loop takes as many turns as the call says, or more than a block has; fewer for examples that a condition ends."""
    rule = Loop.of(loop)
    if rule.fresh or (rule.stops and not rule.until) or rule.length or rule.control or rule.count is None:
        return False
    if isinstance(rule.count, int):
        return rule.count > MOST_TURNS
    call = {*graph.inputs, *(s.value for s in graph.settings.values())}
    return all(graph.sources.get(name) in call for name in symbols(rule.count))


def _is_recurrence(graph: Graph, loop: Node) -> bool:
    """Whether a loop has blocks of turns of another kind, which read whole tables."""
    blocks = find_recurrence(graph, loop, RECURRENCE, products=True)
    return blocks is not None or part_loop(graph, loop, RECURRENCE) is not None


def _tables(region: Region, loop: Node) -> Tables | None:
    """The tables of a loop in a region; None where it has none, or they are not of each turn alone."""
    count, turn = Loop.of(loop).count, loop.regions[0].inputs[0]
    assert count is not None
    axis = Axis("turn", count, TURN_DEPTH)
    takers = [
        n for n in loop.regions[0].walk() if n.op is Take and n.inputs[1] is turn and _is_table(n.inputs[0], axis)
    ]
    tables = tuple(dict.fromkeys(n.inputs[0] for n in takers))
    nodes = nodes_for(region.nodes, tables)
    turns = [n.output for n in nodes if _numbers_turns(n, axis)]
    timed = reached(nodes, turns)
    makers = tuple(n for n in nodes if n.output in timed and n.output not in turns and n.output not in tables)
    if not all(t in timed for t in tables) or not all(_is_of_turns(n, axis) for n in makers):
        return None
    kept = tuple(loop.regions[0].outputs[len(loop.inputs) - 1 :])
    own = Tables(tuple(turns), makers, tables, frozenset(takers), kept)
    return own if own.is_worth_it else None


def _is_table(value: Value, axis: Axis) -> bool:
    node = value.producer
    return node is not None and node.op is Unlead and Unlead.of(node).count == 1 and node.inputs[0].type.lead == (axis,)


def _numbers_turns(node: Node, axis: Axis) -> bool:
    """Whether a node gives every turn its number."""
    if node.op is not Lead or Lead.of(node).axes != (axis,):
        return False
    numbers = node.inputs[0].producer
    return numbers is not None and numbers.op is Iota and numbers.attributes["count"] == axis.size


def _is_of_turns(node: Node, axis: Axis) -> bool:
    """Whether a node computes of each turn what it does, however many there are."""
    if node.regions or any(axis not in v.type.lead for v in node.outputs):
        return False
    spoken = set().union(*(symbols(s) for v in node.outputs for s in v.type.shape))
    spoken |= set() if node.op in VIEWS else symbols_of(node)
    return spoken.isdisjoint(symbols(axis.size))


class _Blocks:
    """A graph on its way: `tables` of the loops that are cut, and the rows that nodes of their bodies take of a block's."""

    def __init__(self, tables: dict[Node, Tables]) -> None:
        self.tables = tables
        self.rows: dict[Node, tuple[Value, Value]] = {}
        self.root = Region([])

    def copier(self, builder: Builder, *rest: Any) -> Copier:
        """What copies the graph, from its root on."""
        self.root = builder.region
        return Copier(builder, *rest)

    def rule(self, copier: Copier, node: Node) -> bool:
        """A loop becomes one of blocks; what takes a row of a table takes it of the block's."""
        if node in self.tables:
            copier.bind(node, *self._loop(copier, node, self.tables[node]))
            return True
        if node not in self.rows:
            return False
        copier.bind(node, copier.builder.emit(Take, *self.rows[node], name=node.output.name, **node.attributes))
        return True

    def _loop(self, copier: Copier, node: Node, tables: Tables) -> Iterable[Value]:
        """The loop of blocks. Beside the states it carries how many turns were taken, and how many the next block has."""
        b, count, most = copier.builder, Loop.of(node).count, tables.block
        assert count is not None
        first = [copier[v] for v in node.inputs[1:]]
        block = symbol(f"turns.block{len(copier.sizes)}")  # No name of a spec has a dot.
        width = copier.sizes[f"{block}.most"] = self._width(b, count, most)
        outer = self._block(copier, node, tables, block)
        blocks = (count + (most - 1)) // most
        _, _, *results = b.loop(b.size(blocks), Loop(blocks, fresh=False), [b.constant(0), width, *first], outer)
        leads = [copier.retyped(v.type).lead for v in tables.kept]
        rows = [_of_turns(b, r, count, lead) for r, lead in zip(results[len(first) :], leads, strict=True)]
        return [*results[: len(first)], *rows]

    def _block(self, copier: Copier, node: Node, tables: Tables, block: Dim) -> Region:
        """The body of the loop of blocks: the turns of one, `block` in number."""
        b, rule, around = copier.builder, Loop.of(node), copier.builder.region
        before, size = (Value(Type(DType.INT), name) for name in ("before", "size"))
        states = [Value(copier.retyped(v.type), v.name) for v in node.regions[0].inputs[1:]]
        b.region = outer = Region([Value(Type(DType.INT), "block"), before, size, *states])
        copier.sizes[str(block)] = size
        inner = self._body(copier, node, tables, before, block)
        results = b.loop(size, replace(rule, count=block), states, inner)
        after = b.emit(el.Add, before, size)
        left = b.emit(el.Subtract, b.size(rule.count or 0), after)
        kept = [_filled(b, _turns_first(b, r), size, symbol(f"{block}.most")) for r in results[len(states) :]]
        outer.outputs = [after, b.emit(el.Minimum, left, b.constant(tables.block)), *results[: len(states)], *kept]
        b.region = around
        return outer

    def _width(self, b: Builder, count: Size, most: int) -> Value:
        """How many turns the longest block has, where sizes are read: at the start of the graph."""
        around, b.region = b.region, self.root
        width = b.emit(el.Minimum, b.size(count), b.constant(most))
        b.region = around
        return width

    def _body(self, copier: Copier, node: Node, tables: Tables, before: Value, size: Size) -> Region:
        """The rows of a block, and the body that takes them."""
        rows = self._rows(copier, tables, before, size) if tables.tables else {}
        turn = node.regions[0].inputs[0]
        is_read = turn in node.regions[0].outputs or not tables.takers.issuperset(turn.uses)

        def begin(inputs: list[Value]) -> list[Value]:
            self.rows.update((taker, (rows[taker.inputs[0]], inputs[0])) for taker in tables.takers)
            number = copier.builder.emit(el.Add, inputs[0], before, name="turn") if is_read else inputs[0]
            return [number, *inputs[1:]]

        body = copier.region(node.regions[0], begin)
        if not Loop.of(node).stops:  # Such a loop goes on with the examples that are left.
            _free(copier.builder, body, len(tables.kept))
        return body

    def _rows(self, copier: Copier, tables: Tables, before: Value, size: Size) -> dict[Value, Value]:
        """For each table, its rows of a block."""
        b, old = copier.builder, tables.turns[0].type.lead[0]
        axis = replace(old, size=size)
        numbers = b.emit(el.Add, b.emit(Iota, count=size), before, name="turns")
        mapping = {**copier.mapping, **dict.fromkeys(tables.turns, b.lead(numbers, (axis,)))}
        inside = Copier(b, mapping, axes={old: axis})
        inside.nodes(tables.makers)
        rows = {}
        for table in tables.tables:
            assert table.producer is not None
            rows[table] = b.unlead(inside[table.producer.inputs[0]], 1)
        return rows


def _turns_first(b: Builder, rows: Value) -> Value:
    """Rows of examples as rows of all of them, the turns first."""
    lead = len(rows.type.lead)
    if not lead:
        return rows
    free = b.unlead(rows, lead)
    rank = free.type.rank
    return b.emit(Transpose, free, perm=tuple(place - rank for place in (lead, *range(lead), *range(lead + 1, rank))))


def _free(b: Builder, body: Region, count: int) -> None:
    """Let a body keep its last `count` outputs without lead axes, as a loop lays them: so rows are moved once, at the end."""
    around, b.region = b.region, body
    states, kept = body.outputs[: len(body.outputs) - count], body.outputs[len(body.outputs) - count :]
    body.outputs = [*states, *(b.unlead(v, len(v.type.lead)) if v.type.lead else v for v in kept)]
    b.region = around


def _filled(b: Builder, rows: Value, size: Value, width: Size) -> Value:
    """The `size` rows of a block as `width` rows, the last one several times: a loop keeps tensors of one shape."""
    places = b.emit(el.Minimum, b.emit(Iota, count=width), b.emit(el.Subtract, size, b.constant(1)))
    return b.emit(Take, rows, places, axis=-rows.type.rank, rank=rows.type.rank, index_rank=1)


def _of_turns(b: Builder, blocks: Value, count: Size, lead: tuple[Axis, ...]) -> Value:
    """What was kept in blocks, [blocks, turns of a block, *lead, ...], as rows of all turns, [count, ...] for each example."""
    number, width, *row = blocks.type.shape
    rows = b.emit(
        Slice, b.emit(Reshape, blocks, shape=(number * width, *row)), axis=-len(row) - 1, start=0, stop=count, step=1
    )
    if not lead:
        return rows
    rank = rows.type.rank
    order = (*range(1, len(lead) + 1), 0, *range(len(lead) + 1, rank))
    return b.lead(b.emit(Transpose, rows, perm=tuple(place - rank for place in order)), lead)
