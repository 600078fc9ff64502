"""Recurrences: loops whose states enter their own updates affinely, element by element, h_t = a_t h_{t-1} + b_t.

Such a loop is computed by blocks of turns. What does not depend on a state is computed for all turns of a block at once, as are
the values that only read states; between them stands h = a h + b. A state may read one that comes before it in `order`.
Exponential averages, gated and linear attention, minGRU (Feng et al. 2024), selective state spaces (Gu and Dao 2023) are of this kind;
a state that goes through a nonlinear function, as an LSTM's, is not.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from math import prod

from mai.compiler.ir.align import missing_axes
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, made_in, reading
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Loop, Spread
from mai.compiler.ir.types import TURN_DEPTH, Axis, Type, join_leads
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.reductions.norm import OVER_EXAMPLES
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.passes.derivatives.dependence import is_real
from mai.compiler.passes.loops.hoist import split_by_dependence
from mai.compiler.passes.loops.recurrences.affine_line import Lines
from mai.compiler.passes.loops.recurrences.outer_products import Reading, factors, query_of, reading_of
from mai.spec.record import record

Places = tuple[int, ...]

LARGEST = 4  # How often the states a value of one turn may be large: a block of turns holds many of it.
SMALL = 4096  # Elements that are few in any case.


@record
class Row:
    """What a turn reads of a table, [..., turns, ...]: its part at the turn along an axis of the shape, counted from the end."""

    table: Value
    axis: int
    value: Value


@record
class Update:
    """What a block computes of one state: `region` maps (turns, rows, `gives` of the updates before) to what it is computed from.

    place: of the state.
    region: gives (a, b) of h = a h + b, which broadcast; of a state that is read as `reading` says (a, k, v, q): its decay, key, value
        and query.
    gives: the state before and after each turn; of a state with a `reading`, what it gives.
    """

    place: int
    region: Region
    gives: tuple[Value, ...]
    reading: Reading | None = None


@record
class Recurrence:
    """A loop by blocks of turns: each value of a block has the lead axis `steps` in front.

    free: nodes of the body that depend on nothing inside, to be done before.
    rows: what a turn reads of tables of all turns.
    updates: of each state, after those that it reads.
    reads: the region (turns, rows, what all updates give) -> what is kept of the turns.
    """

    steps: Axis
    turns: Value
    free: tuple[Node, ...]
    rows: tuple[Row, ...]
    updates: tuple[Update, ...]
    reads: Region

    def fit(self, update: Update, loop: Node) -> tuple[Places, ...]:
        """Where the results of an update's region lack axes, counted from the end: those of its state, or of its vectors."""
        state = loop.inputs[1 + update.place].type
        lead, rank = (self.steps, *state.lead), state.rank
        ranks = (rank, rank) if update.reading is None else (rank - 2, rank - 1, rank - 1, rank - 1)
        return tuple([missing_axes(v.type, lead, r) for v, r in zip(update.region.outputs, ranks, strict=True)])


def find_recurrence(graph: Graph, loop: Node, size: Size, *, products: bool = False) -> Recurrence | None:
    """A loop of a graph as a recurrence by blocks of `size` turns; None where it is none.

    With `products`, states that are sums of outer products are found, too (`outer_products.py`).
    """
    rule, body = Loop.of(loop), loop.regions[0]
    if rule.fresh or rule.stops or not body.inputs[1:] or not all(map(is_real, body.inputs[1:])):
        return None
    if any(source in body.inputs for source in graph.sources.values()):
        return None
    order = _in_order(body)
    return None if order is None else _Blocks(loop, Axis("steps", size, TURN_DEPTH - 1), products).recurrence(order)


def _in_order(body: Region) -> list[int] | None:
    """The states, each after those that its update reads; None where some read each other."""
    waiting = _read_states(body)
    order: list[int] = []
    while waiting:
        ready = [i for i, read in waiting.items() if read <= {i, *order}]
        if not ready:
            return None
        order += ready
        for i in ready:
            del waiting[i]
    return order


def states_behind(body: Region) -> dict[Value, set[int]]:
    """For each value of a body, the states whose values before the turn it depends on; what depends on none is left out."""
    dependence = {v: {i} for i, v in enumerate(body.inputs[1:])}
    for node in body.nodes:
        read = set().union(*(dependence.get(v, set()) for v in reading(node)))
        dependence.update((v, read) for v in node.outputs if read)
    return dependence


def _read_states(body: Region) -> dict[int, set[int]]:
    """For each state, those whose values before the turn its own after the turn depends on."""
    dependence = states_behind(body)
    return {i: dependence.get(v, set()) for i, v in enumerate(body.outputs[: len(body.inputs) - 1])}


class _Blocks:
    """One loop on its way to its blocks."""

    def __init__(self, loop: Node, steps: Axis, products: bool) -> None:
        self.loop, self.body, self.steps, self.products = loop, loop.regions[0], steps, products
        self.states = self.body.inputs[1:]
        self.free, _ = split_by_dependence(self.body, set())
        self.inside = made_in(self.body).difference(v for node in self.free for v in node.outputs)
        turn = self.body.inputs[0]
        self.turns = Value(self._wide(turn.type), "turns")
        self.of_block: dict[Value, Value] = {turn: self.turns}
        self.largest = max(SMALL, LARGEST * sum(_elements(v.type) for v in self.states))

    def recurrence(self, order: Sequence[int]) -> Recurrence | None:
        rows = self._rows()
        inputs = [self.turns, *(row.value for row in rows)]
        updates = []
        for place in order:
            update = self._update(place, inputs)
            if update is None:
                return None
            updates.append(update)
            inputs += update.gives
        reads = self._region(self.body.outputs[len(self.states) :], inputs)
        return None if reads is None else Recurrence(
            self.steps, self.turns, tuple(self.free), tuple(rows), tuple(updates), reads
        )  # fmt: skip

    def _wide(self, type: Type) -> Type:
        """The type of a value at all turns of a block."""
        return type.with_lead((self.steps, *type.lead))

    def _rows(self) -> list[Row]:
        """Rows of tables that are of as many turns as the loop has, each at its own turn."""
        rows = []
        for node in rows_taken(self.loop, self.inside):
            value = Value(self._wide(node.output.type), node.output.name)
            rows.append(Row(node.inputs[0], node.attributes["axis"], value))
            self.of_block[node.output] = value
        return rows

    def _update(self, place: int, inputs: Sequence[Value]) -> Update | None:
        """What a block computes of a state; what it gives is known from then on."""
        state, ended = self.states[place], self.body.outputs[place]
        nodes = self._needed([ended], {*self.of_block, state})
        region = Region(list(inputs))
        builder = Builder(region, self.loop.span, self.loop.scope)
        lines = Lines(_copier(builder, self.of_block), state)
        if nodes is None or not all(lines.follow(node) for node in nodes):
            region.forget()
            return None
        region.outputs = list(lines.of(ended))
        reading = reading_of(self.body, self.loop, place, nodes) if self.products else None
        return (reading and self._read_update(place, region, reading)) or Update(place, region, self._pair(place))

    def _pair(self, place: int) -> tuple[Value, Value]:
        """A state before and after the turns of a block, from now on known to what is computed."""
        state, ended = self.states[place], self.body.outputs[place]
        before, after = (Value(self._wide(state.type), name) for name in (f"{state.name}_before", state.name))
        self.of_block[state] = before
        self.of_block.setdefault(ended, after)
        return before, after

    def _read_update(self, place: int, region: Region, reading: Reading) -> Update | None:
        """The update of a state that is a sum of outer products; None where it is none."""
        nodes = self._needed([reading.query], self.of_block)
        if nodes is None or any(self.states[place] in node.inputs for node in nodes):
            return None
        builder = Builder(region, reading.node.span, reading.node.scope)
        parts = factors(builder, *region.outputs)
        if parts is None:
            return None
        copier = _copier(builder, self.of_block)
        copier.nodes(nodes)
        region.outputs = [*parts, query_of(builder, copier[reading.query], reading)]
        result = Value(self._wide(reading.node.output.type), reading.node.output.name)
        self.of_block[reading.node.output] = result
        return Update(place, region, (result,), reading)

    def _region(self, wanted: Sequence[Value], inputs: Sequence[Value]) -> Region | None:
        """The region of values that read states."""
        nodes = self._needed(wanted, self.of_block)
        if nodes is None:
            return None
        region = Region(list(inputs))
        copier = _copier(Builder(region, self.loop.span, self.loop.scope), self.of_block)
        copier.nodes(nodes)
        full = [join_leads([v.type, self.turns.type]) for v in wanted]
        region.outputs = [copier.builder.spread(copier[v], lead) for v, lead in zip(wanted, full, strict=True)]
        return region

    def _needed(self, wanted: Iterable[Value], ends_at: Iterable[Value]) -> list[Node] | None:
        """The nodes that make some values from those of the block; None where one of them cannot have the turns of a block."""
        needed, ends = set(wanted), set(ends_at)
        nodes = []
        for node in reversed(self.body.nodes):
            if any(v in needed and v not in ends and v in self.inside for v in node.outputs):
                if not can_widen(node, self.inside) or any(_elements(v.type) > self.largest for v in node.outputs):
                    return None
                nodes.append(node)
                needed.update(node.inputs)
        return nodes[::-1]


def rows_taken(loop: Node, inside: Container[Value]) -> list[Node]:
    """The nodes of a loop's body that take rows of tables of as many turns as the loop has, each at its own turn."""
    body, count = loop.regions[0], Loop.of(loop).count
    taken = [n for n in body.nodes if n.op is Take and n.inputs[1] is body.inputs[0] and n.inputs[0] not in inside]
    return [n for n in taken if n.inputs[0].type.shape[n.attributes["axis"]] == count and not body.inputs[0].type.lead]


def can_widen(node: Node, inside: Container[Value]) -> bool:
    """Whether an operation on values from inside a loop may be done for many turns at once."""
    if node.regions or issubclass(node.op, (Draw, *OVER_EXAMPLES)):  # These would look at all turns.
        return False
    return not any(node.inputs[i] in inside for i in node.op.unled if i < len(node.inputs))


def _copier(builder: Builder, mapping: Mapping[Value, Value]) -> Copier:
    """Copies nodes on values that have gained a lead axis."""

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not Spread:
            return False
        x = copier[node.inputs[0]]
        copier.bind(node, copier.builder.spread(x, join_leads([x.type, node.output.type])))
        return True

    return Copier(builder, dict(mapping), rule)


def _elements(type: Type) -> int:
    """How many elements a value has, as far as its sizes are known."""
    return prod(size for size in (*type.shape, *(a.size for a in type.lead)) if isinstance(size, int))
