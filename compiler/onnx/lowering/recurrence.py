"""Recurrences as ONNX: a `Loop` over blocks of turns, each written out, and one over the turns that are left.

One turn alone, that of a growing text, has no loop around it: where the number is known only at run time, an `If` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from mai.compiler.ir.align import missing_axes
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.lowering.loops import GOING, plain_loop, rows_of
from mai.compiler.onnx.lowering.outer_products import Chunk
from mai.compiler.passes.loops.recurrences.long_axes import turned, turned_places, turned_type
from mai.compiler.passes.loops.recurrences.parts import Parts
from mai.compiler.passes.loops.recurrences.recurrence import Recurrence, Update

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.interpreter import OnnxInterpreter

BLOCK = 16  # Turns; 32 take as long, 8 a twentieth longer.
NUMBER = Value(Type(DType.INT), "block")


def recurrence(walk: OnnxInterpreter, node: Node, blocks: Recurrence) -> list[ir.Value]:
    """The last states of a loop, then what was kept, by blocks of turns."""
    return _one_or_all(walk, node, blocks.free, BlockedLoop(walk, node, blocks).results)


def parted_loop(walk: OnnxInterpreter, node: Node, parts: Parts) -> list[ir.Value]:
    """The same of a loop that is several, one after the other."""

    def written() -> list[ir.Value]:
        for part, blocks in parts.loops:
            walk.nodes(() if blocks is None else blocks.free)
            results = plain_loop(walk, part) if blocks is None else BlockedLoop(walk, part, blocks).results()
            for value, result in zip(part.outputs, results, strict=True):
                walk.bind(value, result)
        return [walk[v] for v in parts.results]

    return _one_or_all(walk, node, parts.free, written)


def _one_or_all(
    walk: OnnxInterpreter, node: Node, free: Sequence[Node], write: Callable[[], list[ir.Value]]
) -> list[ir.Value]:
    """One turn, or what is written for any number of them; `free` nodes depend on nothing inside, and come before."""
    walk.nodes(free)
    if node.inputs[0] in walk.known_values.values:
        return write()
    is_one = walk.op.Equal(walk[node.inputs[0]], walk.op.int(1))
    branches = [_branch(walk, node, lambda: _one(walk, node, free)), _branch(walk, node, write)]
    return walk.op.several("If", len(node.outputs), is_one, then_branch=branches[0], else_branch=branches[1])


def _branch(walk: OnnxInterpreter, node: Node, write: Callable[[], list[ir.Value]]) -> ir.Graph:
    with walk.op.inside() as nodes:
        outputs = walk.leaving(write(), node.outputs)
    return ir.Graph([], outputs, nodes=nodes, name=walk.op.name("branch"))


def _one(walk: OnnxInterpreter, node: Node, free: Sequence[Node]) -> list[ir.Value]:
    """What a single turn gives."""
    op, states = walk.op, len(node.inputs) - 1
    results = turn_of(walk, node, free, [op.int(0), *(walk[v] for v in node.inputs[1:])])
    rows = zip(results[states:], node.regions[0].outputs[states:], strict=True)
    return [*results[:states], *(op.Unsqueeze(r, op.ints([len(v.type.lead)])) for r, v in rows)]


def turn_of(walk: OnnxInterpreter, node: Node, free: Sequence[Node], inputs: list[ir.Value]) -> list[ir.Value]:
    """What a loop's own body gives, without the nodes that were done before."""
    region, before = node.regions[0], set(free)
    walk.values.update(zip(region.inputs, inputs, strict=True))
    walk.nodes(each for each in region.nodes if each not in before)
    return [walk[v] for v in region.outputs]


class BlockedLoop:
    """One recurrence being written."""

    def __init__(self, walk: OnnxInterpreter, node: Node, blocks: Recurrence) -> None:
        self.walk, self.op, self.node, self.blocks = walk, walk.op, node, turned(blocks, node)
        self.states = node.regions[0].inputs[1:]
        self.places = turned_places(blocks, node)
        self.types = [turned_type(v.type) if i in self.places else v.type for i, v in enumerate(self.states)]
        self.kept = node.regions[0].outputs[len(self.states) :]
        self.read = {v for region in self._regions() for v in _read_in(region)}

    def _regions(self) -> list[Region]:
        return [*(update.region for update in self.blocks.updates), self.blocks.reads]

    def results(self) -> list[ir.Value]:
        """The last states, then what was kept, of any number of turns; nodes that depend on nothing inside were done before."""
        count, *states = (self.walk[v] for v in self.node.inputs)
        op = self.op
        whole = op.Div(count, op.int(BLOCK))
        turns_in_blocks = op.Mul(whole, op.int(BLOCK))
        states, rows = self._blocks(whole, states)
        rows = [self._in_turns(turns_in_blocks, row, v) for row, v in zip(rows, self.kept, strict=True)]
        if Loop.of(self.node).count is not None and self._is_whole():
            return [*states, *(rows_of(op, row, v) for row, v in zip(rows, self.kept, strict=True))]
        states, left = self._rest(op.Sub(count, turns_in_blocks), turns_in_blocks, states)
        both = [op.Concat(a, b, axis=0) for a, b in zip(rows, left, strict=True)]
        return [*states, *(rows_of(op, row, v) for row, v in zip(both, self.kept, strict=True))]

    def _is_whole(self) -> bool:
        """Whether no turn is left after the blocks."""
        count = self.walk.known_values.values.get(self.node.inputs[0])
        return count is not None and int(count) % BLOCK == 0

    def _in_turns(self, turns: ir.Value, rows: ir.Value, kept: Value) -> ir.Value:
        """What blocks kept, [blocks, turns, ...], as [turns, ...]."""
        sizes = [turns, *(self.op.resolve(s) for s in kept.type.physical)]
        return self.op.Reshape(rows, self.op.shape_vector(sizes), allowzero=1)

    # ----------------------------------------------------------------- the blocks

    def _blocks(self, whole: ir.Value, states: list[ir.Value]) -> tuple[list[ir.Value], list[ir.Value]]:
        """The states after all whole blocks, and what these kept."""
        walk, op, blocks = self.walk, self.op, self.blocks
        tables = [self._turns_first(walk[row.table], row.table, row.axis) for row in blocks.rows]
        inner = [Value(type, v.name) for type, v in zip(self.types, self.states, strict=True)]
        number, going, first = walk.typed(NUMBER), walk.typed(GOING), [walk.typed(v) for v in inner]
        with op.inside(self.node.regions[0].inputs) as nodes:
            begin = op.Mul(number, op.int(BLOCK))
            walk.bind(blocks.turns, op.Add(begin, op.const(np.arange(BLOCK))))
            place = op.Reshape(begin, op.ints([1]))
            end = op.Add(place, op.int(BLOCK))
            for row, table in zip(blocks.rows, tables, strict=True):
                walk.bind(row.value, op.Slice(table, place, end, op.ints([0])))
            last = self._updated(first)
            walk.nodes(blocks.reads.nodes)
            kept = [walk[v] for v in blocks.reads.outputs]
            outputs = walk.leaving([op.goes_on, *last, *kept], [GOING, *inner, *blocks.reads.outputs])
        body = ir.Graph([number, going, *first], outputs, nodes=nodes, name=op.name("body"))
        states, rows = self._loop(whole, self._turned(states), body)
        return self._turned(states), rows

    def _turned(self, states: list[ir.Value]) -> list[ir.Value]:
        """States as blocks have them, or those of blocks as they are outside."""
        pairs = enumerate(zip(states, self.states, strict=True))
        return [self._swapped(x, v.type) if i in self.places else x for i, (x, v) in pairs]

    def _swapped(self, x: ir.Value, state: Type) -> ir.Value:
        rank = len(state.physical)
        return self.op.Transpose(x, perm=[*range(rank - 2), rank - 1, rank - 2])

    def _loop(self, count: ir.Value, states: list[ir.Value], body: ir.Graph) -> tuple[list[ir.Value], list[ir.Value]]:
        results = self.op.several("Loop", len(self.node.outputs), count, self.op.goes_on, *states, body=body)
        return results[: len(states)], results[len(states) :]

    def _turns_first(self, table: ir.Value, value: Value, axis: int) -> ir.Value:
        rank = len(value.type.physical)
        place = rank + axis
        order = [place, *(i for i in range(rank) if i != place)]
        return self.op.Transpose(table, perm=order) if place else table

    def _updated(self, first: list[ir.Value]) -> list[ir.Value]:
        """The states after a block, from those before it; those before and after each turn are known from then on."""
        walk, last = self.walk, list(first)
        for update in self.blocks.updates:
            walk.nodes(update.region.nodes)
            last[update.place] = self._after(update, first[update.place])
        return last

    def _after(self, update: Update, first: ir.Value) -> ir.Value:
        """A state after a block; what its turns give is known from then on."""
        if update.reading is None:
            return self._scanned(update, first)
        chunk = Chunk(self.walk, self.types[update.place], self.blocks.steps)
        read, last = chunk.results(update.region.outputs, first, update.reading)
        self.walk.bind(update.gives[0], read)
        return last

    def _scanned(self, update: Update, first: ir.Value) -> ir.Value:
        """h = a h + b for each turn of a block; the state after the last."""
        op, begin = self.op, self.op.ints([0])
        slopes, offsets = (self._each_turn(v, update.place) for v in update.region.outputs)
        state = op.Unsqueeze(first, begin)
        states = [state]
        for a, b in zip(slopes, offsets, strict=True):
            scaled = state if op.number_of(a) == 1 else op.Mul(a, state)
            state = op.Add(scaled, b)
            states.append(state)
        for value, parts in zip(update.gives, (states[:-1], states[1:]), strict=True):
            if value in self.read:
                self.walk.bind(value, op.Concat(*parts, axis=0))
        return op.Squeeze(state, begin)

    def _each_turn(self, value: Value, place: int) -> list[ir.Value]:
        """a or b for each turn, [1, ...] as the state is; the same one where the turn makes no difference."""
        steps, state, op = self.blocks.steps, self.types[place], self.op
        axes = missing_axes(value.type, (steps, *state.lead), state.rank)
        x = self.walk[value]
        x = self.walk.unsqueeze(x, value.type, axes) if axes else x
        if steps not in value.type.lead:
            return [x] * BLOCK
        return op.several("Split", BLOCK, x, axis=0, num_outputs=BLOCK)

    # ------------------------------------------------------------------- the rest

    def _rest(
        self, count: ir.Value, turns_before: ir.Value, states: list[ir.Value]
    ) -> tuple[list[ir.Value], list[ir.Value]]:
        """The turns after the blocks, one by one, each as the loop has it."""
        walk, op, region = self.walk, self.op, self.node.regions[0]
        number, *inputs = (walk.typed(v) for v in region.inputs)
        going = walk.typed(GOING)
        with op.inside(region.inputs) as nodes:
            turn = op.Add(number, turns_before)
            op.set_type(turn, region.inputs[0].type)
            results = turn_of(walk, self.node, self.blocks.free, [turn, *inputs])
            outputs = walk.leaving([op.goes_on, *results], [GOING, *region.outputs])
        body = ir.Graph([number, going, *inputs], outputs, nodes=nodes, name=op.name("body"))
        return self._loop(count, states, body)


def _read_in(region: Region) -> Iterator[Value]:
    for node in region.nodes:
        yield from node.inputs
    yield from region.outputs
