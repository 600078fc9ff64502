"""Recurrences at run time: by blocks of turns, of which only the first states are kept; the way back computes a block again.

What each block does with its states is in `block_states.py`. What these are computed from, and what reads them, is code, and so is the way
back through it (`passes/loops/recurrences/way_back.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd.function import once_differentiable

from mai.compiler.torch.autocast import autocast_of_now
from mai.compiler.torch.autograd_context import AutogradContext
from mai.compiler.torch.recurrences.block_states import Places, Read, Scanned, aligned
from mai.compiler.torch.recurrences.loops import Empty, empty_rows
from mai.compiler.torch.recurrences.rooms import Rooms

BLOCK = 16  # Turns; measured: 8, 16 and 32 are within a fifth of each other, 64 takes longer.
READ_BLOCK = 256  # The same where every state is read by products, whose chunks are done together: fewer, larger calls.

Outer = Tensor | int  # What a region reads from around the loop: values, and sizes.
Region = tuple[torch.nn.Module, tuple[Outer, ...]]  # With what it reads.
Source = int | Tensor  # What something comes back to: the place of an input, or a value from around the loop.
Way = tuple[Region, Region, tuple[Source, ...]]  # What is computed again, the way back, and where it ends.
Update = tuple[Way, int, int, tuple[Places, ...], tuple[int, int | None] | None]


@dataclass(frozen=True, slots=True)
class Call:
    """A region as a module, and what it reads from around the loop: `places` among the tensors, None where it is a size."""

    module: torch.nn.Module
    places: tuple[int | None, ...]
    sizes: tuple[Outer, ...]

    def __call__(self, inputs: Iterable[Tensor], outer: Sequence[Tensor], rooms: Rooms | None) -> tuple[Tensor, ...]:
        """The region's results for the turns of a block."""
        read = (s if p is None else outer[p] for p, s in zip(self.places, self.sizes, strict=True))
        results: tuple[Tensor, ...] = self.module(*inputs, *read, rooms and rooms.of(self.module))
        return results


@dataclass(frozen=True, slots=True)
class Back:
    """The way back through a region: what is computed again for it, and its own code.

    inputs, outer: for each result, what it comes back to: the place of an input, or of a tensor from around the loop.
    """

    again: Call
    code: Call
    inputs: tuple[int | None, ...]
    outer: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What blocks compute of one state, at `place` among them.

    back: of the region that it is computed from, whose `results` are the first things that are computed again.
    fit: where these lack axes, counted from the end.
    reading: the axis that is summed over where a product reads it, and the axis of size one that this leaves, if any.
    """

    back: Back
    results: int
    place: int
    fit: tuple[Places, ...]
    reading: tuple[int, int | None] | None

    def computed(
        self, parts: Sequence[Tensor], first: Tensor, turns: int, rooms: Rooms, comes_back: bool
    ) -> Scanned | Read:
        """What a block computes of the state."""
        if self.reading is not None:
            with torch.set_grad_enabled(comes_back):
                return Read(parts, first, turns, *self.reading, self.fit)
        full = [aligned(x, axes) for x, axes in zip(parts, self.fit, strict=True)]
        return Scanned(full, first, turns, rooms)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the blocks of one recurrence compute.

    updates, reads: those of `passes/loops/recurrences/recurrence.py`, in its order.
    axes: of each table, the axis of the turns, in memory.
    leads: of each thing kept, the axis of the turns, in memory.
    count: of the turns.
    parts: how many states and tables there are; what follows are tensors from around the loop.
    """

    updates: tuple[State, ...]
    reads: Call
    reads_back: Back
    axes: Places
    leads: Places
    count: int
    parts: tuple[int, int]

    @property
    def size(self) -> int:
        """The turns of a block; the last may have fewer."""
        return BLOCK if any(state.reading is None for state in self.updates) else READ_BLOCK

    def blocks(self, table: Tensor, axis: int) -> Sequence[Tensor]:
        """The turns of each block of a table, as views [turns, ...]: all at once, since a view takes as long as a small product."""
        return torch.split(table.movedim(axis, 0), self.size)

    def split(self, tensors: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """The states, the tables, the tensors from around the loop."""
        states, tables = self.parts
        ends = (0, states, states + tables, len(tensors))
        first, second, third = (list(tensors[i:j]) for i, j in pairwise(ends))
        return first, second, third

    def room_for(self, row: Tensor, lead: int) -> Tensor:
        """Memory for what all turns keep, of which a block has `row`: as whoever reads it will have it, seen as [turns, ...]."""
        sizes = [*row.shape[1:]]
        sizes.insert(lead, self.count)
        return row.new_empty(sizes).movedim(lead, 0)


class Blocks:
    """What all blocks have: the tensors that they read, and their memory.

    turns, rows: the numbers of the turns of each block, and the rows of the tables there.

    Results may have fewer bits in one block than in another while torch chooses that, so that code has no memory of its own then.
    """

    def __init__(self, plan: Plan, tensors: Sequence[Tensor], comes_back: bool = False) -> None:
        self.plan, self.comes_back, self.rooms = plan, comes_back, Rooms()
        self.states, self.tables, self.outer = plan.split(tensors)
        self.turns = plan.blocks(torch.arange(plan.count, device=tensors[0].device), 0)
        by_table = [plan.blocks(t, axis) for t, axis in zip(self.tables, plan.axes, strict=True)]
        self.rows = [*zip(*by_table, strict=True)] if by_table else [()] * len(self.turns)
        self.code_rooms = None if torch.is_autocast_enabled(tensors[0].device.type) else self.rooms

    def call(self, call: Call, inputs: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """A region's results."""
        return call(inputs, self.outer, self.code_rooms)


class Block:
    """The turns of one block, computed as it is made.

    inputs: what the region that reads is given: the turns, the rows of the tables, and what all states give.
    states: what it does with each state; kept: what else their way back reads.
    last: the states after the last turn, in their places.
    """

    def __init__(self, blocks: Blocks, number: int, first: Sequence[Tensor]) -> None:
        self.blocks = blocks
        self.states: list[Scanned | Read] = []
        self.kept: list[Sequence[Tensor]] = []
        self.last = list(first)
        turns = blocks.turns[number]
        self.inputs = [turns, *(rows.contiguous() for rows in blocks.rows[number])]
        for update in blocks.plan.updates:
            results = blocks.call(update.back.again, self.inputs)
            parts, kept = results[: update.results], results[update.results :]
            rooms = blocks.rooms.of(update.place)
            state = update.computed(parts, first[update.place], len(turns), rooms, blocks.comes_back)
            self.states.append(state)
            self.kept.append(kept)
            self.last[update.place] = state.last
            self.inputs += state.gives


class _Run(AutogradContext):
    plan: Plan
    autocast: torch.autocast


class _Recurrence(torch.autograd.Function):
    """The last states, then what is kept, [turns, ...]; inputs: states, tables, tensors from around the loop."""

    @staticmethod
    def forward(ctx: _Run, plan: Plan, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.plan, ctx.autocast = plan, autocast_of_now(tensors[0].device.type)
        firsts, kept = list[Tensor](), list[Tensor]()
        with ctx.autocast:
            blocks = Blocks(plan, tensors)
            states = blocks.states
            rooms = list[Sequence[Tensor]]()
            for number in range(len(blocks.turns)):
                firsts += states
                block = Block(blocks, number, states)
                states, results = block.last, blocks.call(plan.reads, block.inputs)
                if not number:
                    kept = [plan.room_for(row, lead) for row, lead in zip(results, plan.leads, strict=True)]
                    rooms = [plan.blocks(room, 0) for room in kept]
                for room, row in zip(rooms, results, strict=True):
                    room[number].copy_(row)
        ctx.save_for_backward(*tensors, *firsts)
        return *states, *kept

    @staticmethod
    @once_differentiable
    def backward(ctx: _Run, *grads: Tensor) -> tuple[Tensor | None, ...]:
        plan: Plan = ctx.plan
        saved = ctx.saved_tensors  # Read once: a turn that is computed again gives them once.
        count = len(ctx.needs_input_grad) - 1
        firsts = saved[count:]
        carry, kept = list(grads[: len(plan.updates)]), [plan.blocks(g, 0) for g in grads[len(plan.updates) :]]
        with ctx.autocast:
            back = _Back(Blocks(plan, saved[:count], comes_back=True), ctx.needs_input_grad[1:])
            for number in reversed(range(len(back.blocks.turns))):
                first = firsts[number * len(carry) :][: len(carry)]
                carry = back.block(number, first, carry, [rows[number].contiguous() for rows in kept])
        return None, *carry, *back.of_tables, *back.of_outer


class _Back:
    """The way back through the blocks, the last first.

    of_tables: what came back to each table, None where nobody asks; rows: the same by blocks.
    of_outer: the sums of what came back to tensors from around the loop.
    """

    def __init__(self, blocks: Blocks, wanted: Sequence[bool]) -> None:
        self.blocks, self.plan = blocks, blocks.plan
        states, tables = self.plan.parts
        wanted = wanted[states:]
        self.of_tables = [
            torch.empty_like(t) if n else None for t, n in zip(blocks.tables, wanted[:tables], strict=True)
        ]
        pairs = zip(self.of_tables, self.plan.axes, strict=True)
        self.rows = [None if t is None else self.plan.blocks(t, axis) for t, axis in pairs]
        self.of_outer = [torch.zeros_like(t) if n else None for t, n in zip(blocks.outer, wanted[tables:], strict=True)]

    def block(
        self, number: int, first: Sequence[Tensor], carry: Sequence[Tensor], kept: Sequence[Tensor]
    ) -> list[Tensor]:
        """What comes back to the states before a block, from what came to those after it and to what it kept."""
        plan, carry = self.plan, list(carry)
        block = Block(self.blocks, number, first)
        came: list[Tensor | None] = [None for _ in block.inputs]
        again = self.blocks.call(plan.reads_back.again, block.inputs)
        self._back(plan.reads_back, [*block.inputs, *again, *kept], came)
        for update, state, kept_of in reversed([*zip(plan.updates, block.states, block.kept, strict=True)]):
            end = len(came) - len(state.gives)
            carry[update.place], parts = state.back(came[end:], carry[update.place])
            del came[end:]
            self._back(update.back, [*block.inputs[:end], *kept_of, *parts], came)
        self._add_rows(came, number)
        return carry

    def _back(self, back: Back, inputs: Sequence[Tensor], came: list[Tensor | None]) -> None:
        """What comes back through a region: to its inputs it goes into `came`, to tensors from around the loop into their sums."""
        results = self.blocks.call(back.code, inputs)
        for part, place, outer in zip(results, back.inputs, back.outer, strict=True):
            if place is not None:
                came[place] = _sum(came[place], part)
            elif outer is not None and (total := self.of_outer[outer]) is not None:
                total += part

    def _add_rows(self, came: Sequence[Tensor | None], number: int) -> None:
        """Put what came to the rows of tables in a block into its place."""
        for part, rows in zip(came[1:], self.rows, strict=True):
            if rows is not None:
                rows[number].zero_() if part is None else rows[number].copy_(part)


def _sum(x: Tensor | None, y: Tensor) -> Tensor:
    return y if x is None else x + y


@fx.wrap
def recurrence(
    updates: tuple[Update, ...], reads: tuple[Region, Way], count: Tensor | int, device: torch.device, states: tuple[Tensor, ...],
    tables: tuple[Tensor, ...], axes: Places, leads: Places, turned: Places, empty: Empty = (),
) -> tuple[Tensor, ...]:  # fmt: skip
    """The last states of a recurrence, then what is kept of its turns, stacked after `leads` lead axes; see `Plan`.

    Blocks have the last two axes of the states `turned` in the other order. `empty` is what is kept where there are no turns.
    """
    turns = int(count)  # Read once: where it is a tensor, this waits for the device.
    if not turns:
        return *states, *empty_rows(empty, device)
    around = _Around([reads[0], *(region for way, *_ in updates for region in way[:2]), *reads[1][:2]])
    by_update = tuple(State(around.back(way), *rest) for way, *rest in updates)  # type: ignore[arg-type]
    parts = (len(states), len(tables))
    plan = Plan(by_update, around.call(reads[0]), around.back(reads[1]), axes, leads, turns, parts)
    first = [h.mT if i in turned else h for i, h in enumerate(states)]
    results: tuple[Tensor, ...] = _Recurrence.apply(plan, *first, *tables, *around.tensors)  # type: ignore[no-untyped-call]
    ended = (h.mT if i in turned else h for i, h in enumerate(results[: len(states)]))
    kept = zip(results[len(states) :], leads, strict=True)
    return *ended, *(row.movedim(0, lead) for row, lead in kept)


class _Around:
    """The tensors that regions read from around the loop, each once."""

    def __init__(self, regions: Iterable[Region]) -> None:
        self.tensors = list({id(o): o for _, read in regions for o in read if isinstance(o, Tensor)}.values())
        self.places = {id(o): i for i, o in enumerate(self.tensors)}

    def call(self, region: Region) -> Call:
        module, read = region
        return Call(module, tuple(self.places.get(id(o)) for o in read), read)

    def back(self, way: Way) -> Back:
        again, back, sources = way
        inputs = tuple(s if isinstance(s, int) else None for s in sources)
        return Back(self.call(again), self.call(back), inputs, tuple(self.places.get(id(s)) for s in sources))
