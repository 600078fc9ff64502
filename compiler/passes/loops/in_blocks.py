"""Tables of a loop's turns, made for a block of turns at a time.

`hoist` computes what depends on the turn alone for all turns, before the loop. A call says how many turns there are, and may say ten
million: the tables would then take gigabytes, and be made by single operators that no limit of time can end. So such a loop
becomes an outer one over blocks of turns. A block makes its own rows of the tables, and an inner loop takes its turns. As many
turns as most calls have are one block, which computes the same bits. Where a condition ends the examples, the blocks after the last
end take no turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, nodes_for, reached, rewriting, symbols_of
from mai.compiler.ir.sizes import Dim, Size, symbol, symbols
from mai.compiler.ir.structure import VIEWS, Lead, Loop, Unlead
from mai.compiler.ir.types import TURN_DEPTH, Axis, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.shapes.indexing import Iota, Take
from mai.compiler.passes.local.prune import prune_in_place
from mai.compiler.passes.loops.recurrences.parts import part_loop
from mai.compiler.passes.loops.recurrences.recurrence import find_recurrence

MOST_TURNS = 4096  # Of a block.
MOST_ELEMENTS = 2**23  # Of one table of a block, 32 MB, where the sizes of its rows are known.
RECURRENCE = 64  # Turns of a block of a recurrence; any number finds the same ones.


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one loop: what makes them from the numbers `turns` of the turns, and the nodes of the body that take rows of them."""

    turns: tuple[Value, ...]
    makers: tuple[Node, ...]
    tables: tuple[Value, ...]
    takers: frozenset[Node]

    @property
    def block(self) -> int:
        """How many turns a block has."""
        rows = [prod(s for s in v.type.physical if isinstance(s, int)) for node in self.makers for v in node.outputs]
        return max(1, min(MOST_TURNS, MOST_ELEMENTS // max(rows, default=1)))


@rewriting(Loop)
def in_blocks(graph: Graph) -> Graph:
    """Replace every loop that has tables, of which the call says how many turns it takes, by a loop of blocks of turns."""
    tables = dict(_all_tables(graph))
    return prune_in_place(copy_graph(graph, _Blocks(tables).rule)) if tables else graph  # Of tables of all turns.


def _all_tables(graph: Graph) -> Iterator[tuple[Node, Tables]]:
    for region in graph.regions():
        for node in region.nodes:
            tables = _tables(region, node) if node.op is Loop and _takes_all_turns(node) else None
            if tables is not None and not _is_recurrence(graph, node):
                yield node, tables


def _takes_all_turns(loop: Node) -> bool:
    """Whether a loop takes as many turns as the call says, fewer for examples that a condition ends, and keeps nothing of them."""
    rule = Loop.of(loop)
    plain = not (rule.fresh or (rule.stops and not rule.until) or rule.length or rule.control)
    return plain and isinstance(rule.count, Dim) and len(loop.regions[0].outputs) == len(loop.inputs) - 1


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
    if not tables or not all(t in timed for t in tables) or not all(_is_of_turns(n, axis) for n in makers):
        return None
    return Tables(tuple(turns), makers, tables, frozenset(takers))


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
        """The outer loop. Beside the states it carries how many turns were taken, and how many the next block has."""
        b, rule, body = copier.builder, Loop.of(node), node.regions[0]
        count, most = rule.count, tables.block
        assert count is not None
        first = [copier[v] for v in node.inputs[1:]]
        before, size = (Value(Type(DType.INT), name) for name in ("before", "size"))
        states = [Value(copier.retyped(v.type), v.name) for v in body.inputs[1:]]
        outer, around = Region([Value(Type(DType.INT), "block"), before, size, *states]), b.region
        name = f"turns.block{len(copier.sizes)}"  # No name of a spec has a dot.
        copier.sizes[name] = size
        b.region = outer
        inner = self._body(copier, node, tables, before, symbol(name))
        last = b.loop(size, replace(rule, count=symbol(name)), states, inner)
        after = b.emit(el.Add, before, size)
        left = b.emit(el.Subtract, b.size(count), after)
        outer.outputs = [after, b.emit(el.Minimum, left, b.constant(most)), *last]
        b.region = around
        start = [b.constant(0), b.emit(el.Minimum, b.size(count), b.constant(most)), *first]
        blocks = (count + (most - 1)) // most
        return b.loop(b.size(blocks), Loop(blocks, fresh=False), start, outer)[2:]

    def _body(self, copier: Copier, node: Node, tables: Tables, before: Value, size: Size) -> Region:
        """The rows of a block, and the body that takes them."""
        rows = self._rows(copier, tables, before, size)
        turn = node.regions[0].inputs[0]
        is_read = turn in node.regions[0].outputs or not tables.takers.issuperset(turn.uses)

        def begin(inputs: list[Value]) -> list[Value]:
            self.rows.update((taker, (rows[taker.inputs[0]], inputs[0])) for taker in tables.takers)
            number = copier.builder.emit(el.Add, inputs[0], before, name="turn") if is_read else inputs[0]
            return [number, *inputs[1:]]

        return copier.region(node.regions[0], begin)

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
