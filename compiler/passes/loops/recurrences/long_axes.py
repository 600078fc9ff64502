"""The longer of a state's last two axes comes last in the blocks of a recurrence, so that what broadcasts runs along it.

A state [..., d, m] with m < d is kept as [..., m, d]: its numbers are combined row by row, and a row of 128 takes about as long as one of
16. Only the order of the numbers changes. What a region computes of the state is turned by its operations' own rules, as
far as they have one, and transposed where they have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.types import Type
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.products.product import Matmul
from mai.compiler.ops.shapes.shape import Expand, Squeeze, Transpose, Unsqueeze
from mai.compiler.passes.loops.recurrences.recurrence import Recurrence

SWAPPED = {(-1,): (-2,), (-2,): (-1,)}


def is_turned(state: Type) -> bool:
    """Whether a state's last two axes change places."""
    last = state.shape[-2:]
    return len(last) == 2 and all(isinstance(size, int) for size in last) and last[1] < last[0]  # type: ignore[operator]


def turned_places(blocks: Recurrence, loop: Node) -> frozenset[int]:
    """The states that are kept so; one that is never made, a sum of outer products, is not."""
    places = (update.place for update in blocks.updates if update.reading is None)
    return frozenset(place for place in places if is_turned(loop.inputs[1 + place].type))


def turned_type(state: Type) -> Type:
    """The type of a state whose last two axes have changed places."""
    *rest, d, m = state.shape
    return state.with_shape((*rest, m, d))


def turned(blocks: Recurrence, loop: Node) -> Recurrence:
    """The blocks with all states turned of `turned_places`, from what a block begins with to what it ends with."""
    turned_values: dict[Value, Value] = {}
    places = turned_places(blocks, loop)
    inputs = [blocks.turns, *(row.value for row in blocks.rows)]
    updates = []
    for update in blocks.updates:
        is_long = update.place in places
        region = _Turning(update.region, inputs, turned_values).region(update.region.outputs, is_long)
        gives = tuple(Value(turned_type(v.type), v.name) if is_long else v for v in update.gives)
        turned_values.update(zip(update.gives, gives, strict=True) if is_long else ())
        updates.append(replace(update, region=region, gives=gives))
        inputs += gives
    reads = _Turning(blocks.reads, inputs, turned_values).region(blocks.reads.outputs, False)
    return replace(blocks, updates=tuple(updates), reads=reads)


class _Turning:
    """One region copied: `long_values` has the values that are there only with their last two axes changed."""

    def __init__(self, region: Region, inputs: Sequence[Value], long_values: dict[Value, Value]) -> None:
        self.nodes = set(region.nodes)
        self.builder = Builder(Region(list(inputs)))
        self.turns, self.copies = dict(long_values), dict[Value, Value]()
        self.long_values = long_values

    def region(self, wanted: Sequence[Value], is_long: bool) -> Region:
        self.builder.region.outputs = [self.turned(v) if is_long else self.copied(v) for v in wanted]
        return self.builder.region

    def turned(self, value: Value) -> Value:
        """A value with its last two axes changed; one without broadcasts, and one with the last alone gets an axis."""
        if value not in self.turns:
            self.turns[value] = self._turned(value)
        return self.turns[value]

    def copied(self, value: Value) -> Value:
        """A value as it is."""
        if value not in self.copies:
            self.copies[value] = self._copied(value)
        return self.copies[value]

    def _turned(self, value: Value) -> Value:
        if value.type.rank == 0:
            return self.copied(value)
        if value.type.rank == 1:
            return self._emit(Unsqueeze, self.copied(value), axes=(-1,))
        node = value.producer
        if node is None or node not in self.nodes:
            return self._transposed(self.copied(value))
        self._at(node)
        if issubclass(node.op, Elementwise):
            return self.builder.emit_all(node.op, [self.turned(v) for v in node.inputs], node.attributes, value.name)[0]
        if node.op is Unsqueeze and node.attributes["axes"] in SWAPPED and node.inputs[0].type.rank:
            return self._emit(Unsqueeze, self.copied(node.inputs[0]), axes=SWAPPED[node.attributes["axes"]])
        if node.op is Expand:
            return self._emit(Expand, self.turned(node.inputs[0]), shape=turned_type(value.type).shape)
        if node.op is Matmul and all(v.type.rank > 1 for v in node.inputs):
            x, y = node.inputs
            return self._emit(Matmul, self.turned(y), self.turned(x))
        return self._transposed(self.copied(value))

    def _copied(self, value: Value) -> Value:
        node = value.producer
        if value in self.long_values:
            return self._transposed(self.long_values[value])
        if node is None or node not in self.nodes:
            return value
        if node.op is Squeeze and self._is_product(node.inputs[0]) and node.attributes["axes"] in SWAPPED:
            return self._emit(Squeeze, self.turned(node.inputs[0]), axes=SWAPPED[node.attributes["axes"]])
        inputs = [self.copied(v) for v in node.inputs]
        self._at(node)
        if node.structure is not None:
            copies = self.builder.again(node, inputs)
        else:
            copies = self.builder.emit_all(node.op, inputs, node.attributes, value.name)
        return copies[node.outputs.index(value)]

    def _is_product(self, value: Value) -> bool:
        """Whether a value is a product of a state that is there turned alone."""
        node = value.producer
        return node is not None and node.op is Matmul and any(v in self.long_values for v in node.inputs)

    def _emit(self, op: type[Operation], *inputs: Value, **attributes: object) -> Value:
        return self.builder.emit_all(op, inputs, {**op.attributes, **attributes})[0]

    def _transposed(self, value: Value) -> Value:
        rank = value.type.rank
        return self._emit(Transpose, value, perm=(*range(-rank, -2), -1, -2))

    def _at(self, node: Node) -> None:
        self.builder.span, self.builder.scope = node.span, node.scope
