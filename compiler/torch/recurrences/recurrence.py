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

from mai.compiler.torch.autocast import autocast_of_now
from mai.compiler.torch.autograd_context import AutogradContext, differentiated_once
from mai.compiler.torch.recurrences.block_states import Places, Read, Scanned, aligned
from mai.compiler.torch.recurrences.loops import Empty, empty_rows
from mai.compiler.torch.recurrences.tape import Tape

FEWEST_TURNS = 8  # Measured: fewer take longer, since each call takes a microsecond.
MOST_TURNS = 64
NUMBERS = 2**17  # Of a block's states, which is half a megabyte: a few of them are in the cache of a core together.
READ_BLOCK = 256  # Turns where every state is read by products, whose chunks are done together: fewer, larger calls.

OFFSET = 1  # The place of b among the results of an update: the states are computed where it is.

Outer = Tensor | int  # What a region reads from around the loop: values, and sizes.
Region = tuple[fx.GraphModule, tuple[Outer, ...]]  # With what it reads.
Source = int | Tensor  # What something comes back to: the place of an input, or a value from around the loop.
Way = tuple[Region, Region, tuple[Source, ...]]  # What is computed again, the way back, and where it ends.
Update = tuple[Way, int, int, tuple[Places, ...], tuple[int, int | None] | None]


@dataclass(frozen=True, slots=True)
class Call:
    """A region as a module, and what it reads from around the loop: `places` among the tensors, None where it is a size."""

    module: fx.GraphModule
    places: tuple[int | None, ...]
    sizes: tuple[Outer, ...]

    def __call__(
        self, inputs: Sequence[Tensor], outer: Sequence[Tensor], tape: Tape, front: int | None = None
    ) -> tuple[Tensor, ...]:
        """The region's results for the turns of a block; one may have a row of memory in front."""
        read = [s if p is None else outer[p] for p, s in zip(self.places, self.sizes, strict=True)]
        return tape.code(self.module, inputs, read, front)


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
        self, parts: Sequence[Tensor], first: Tensor, turns: int, tape: Tape, comes_back: bool
    ) -> Scanned | Read:
        """What a block computes of the state."""
        if self.reading is not None:
            return Read(parts, first, turns, tape, comes_back, *self.reading, self.fit)
        full = [aligned(x, axes) for x, axes in zip(parts, self.fit, strict=True)]
        return Scanned(full, first, turns, tape)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the blocks of one recurrence compute.

    updates, reads: those of `passes/loops/recurrences/recurrence.py`, in its order.
    axes: of each table, the axis of the turns, in memory.
    leads: of each thing kept, the axis of the turns, in memory.
    count, size: of the turns, and of those of a block; the last may have fewer.
    parts: how many states and tables there are; what follows are tensors from around the loop.
    """

    updates: tuple[State, ...]
    reads: Call
    reads_back: Back
    axes: Places
    leads: Places
    count: int
    size: int
    parts: tuple[int, int]

    @property
    def is_read(self) -> bool:
        """Whether no state is ever made."""
        return all(state.reading is not None for state in self.updates)

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
    """What all blocks have: the tensors that they read, and of each block the numbers of its turns and the rows of the tables there."""

    def __init__(self, plan: Plan, tensors: Sequence[Tensor], comes_back: bool = False) -> None:
        self.plan, self.comes_back = plan, comes_back
        self.states, self.tables, self.outer = plan.split(tensors)
        turns = plan.blocks(torch.arange(plan.count, device=tensors[0].device), 0)
        by_table = [plan.blocks(t, axis) for t, axis in zip(self.tables, plan.axes, strict=True)]
        self.rows = [*zip(turns, *by_table, strict=True)]
        # Where torch chooses how many bits a result has, one block may have others than the one before.
        is_chosen = torch.is_autocast_enabled(tensors[0].device.type) or torch.compiler.is_compiling()
        # What looks at each result of a body's code has that code run as it is written.
        is_watched = any(not isinstance(u.back.again.module, fx.GraphModule) for u in plan.updates)
        self.keeps = not (is_chosen or is_watched or plan.is_read)


class Block:
    """The turns of one block, computed as it is made; `again` puts another of as many turns in its place.

    inputs: what the region that reads is given: the turns, the rows of the tables, and what all states give.
    states: what it does with each state; kept: what else their way back reads.
    last: the states after the last turn, in their places.
    """

    def __init__(self, blocks: Blocks, number: int, first: Sequence[Tensor]) -> None:
        self.blocks, self.tape = blocks, Tape(blocks.keeps)
        self.states: list[Scanned | Read] = []
        self.kept: list[Sequence[Tensor]] = []
        self.last = list(first)
        self.rows = [rows.clone(memory_format=torch.contiguous_format) for rows in blocks.rows[number]]
        self.inputs = list(self.rows)
        for update in blocks.plan.updates:
            results = self.call(update.back.again, self.inputs, OFFSET if update.reading is None else None)
            parts, kept = results[: update.results], results[update.results :]
            state = update.computed(parts, first[update.place], len(self.rows[0]), self.tape, blocks.comes_back)
            self.states.append(state)
            self.kept.append(kept)
            self.last[update.place] = state.last
            self.inputs += state.gives

    def call(self, call: Call, inputs: Sequence[Tensor], front: int | None = None) -> tuple[Tensor, ...]:
        """A region's results."""
        return call(inputs, self.blocks.outer, self.tape, front)

    def fits(self, number: int) -> bool:
        """Whether a block is computed as this one was."""
        return self.blocks.keeps and len(self.blocks.rows[number][0]) == len(self.rows[0])

    def again(self, number: int, first: Sequence[Tensor]) -> None:
        """Compute another block of as many turns where this one is."""
        for room, rows in zip(self.rows, self.blocks.rows[number], strict=True):
            room.copy_(rows)
        for update, state in zip(self.blocks.plan.updates, self.states, strict=True):
            state.first.copy_(first[update.place])
        self.tape.again()


class BlockThere(Block):
    """A block on the way there.

    results: what is kept of its turns.
    """

    def __init__(self, blocks: Blocks, number: int, first: Sequence[Tensor]) -> None:
        super().__init__(blocks, number, first)
        self.results = self.call(blocks.plan.reads, self.inputs)


class BlockBack(Block):
    """A block on the way back.

    carry: what came to the states after it; first: what comes to those before it.
    came: what comes to its inputs; what comes to tensors from around the loop is added to `totals`.
    """

    def __init__(
        self, blocks: Blocks, number: int, first: Sequence[Tensor], carry: Sequence[Tensor], kept: Sequence[Tensor],
        totals: Sequence[Tensor | None],
    ) -> None:  # fmt: skip
        super().__init__(blocks, number, first)
        plan = blocks.plan
        self.totals = totals
        self.carry, self.kept_came = (
            [x.clone(memory_format=torch.contiguous_format) for x in xs] for xs in (carry, kept)
        )
        self.came: list[Tensor | None] = [None for _ in self.inputs]
        self.before = list(self.carry)
        again = self.call(plan.reads_back.again, self.inputs)
        self._back(plan.reads_back, [*self.inputs, *again, *self.kept_came])
        for update, state, kept_of in reversed([*zip(plan.updates, self.states, self.kept, strict=True)]):
            end = len(self.came) - len(state.gives)
            self.before[update.place], parts = state.back(self.came[end:], self.before[update.place])
            del self.came[end:]
            self._back(update.back, [*self.inputs[:end], *kept_of, *parts])

    def back(self, number: int, first: Sequence[Tensor], carry: Sequence[Tensor], kept: Sequence[Tensor]) -> None:
        """Another block of as many turns."""
        for room, x in zip([*self.carry, *self.kept_came], [*carry, *kept], strict=True):
            room.copy_(x)
        self.again(number, first)

    def _back(self, back: Back, inputs: Sequence[Tensor]) -> None:
        """What comes back through a region: to its inputs it goes into `came`, to tensors from around the loop into their sums."""
        results = self.call(back.code, inputs)
        for part, place, outer in zip(results, back.inputs, back.outer, strict=True):
            if place is not None:
                before = self.came[place]
                self.came[place] = part if before is None else self.tape.into(torch.add, before, part)
            elif outer is not None and (total := self.totals[outer]) is not None:
                self.tape.write(total.add_, part)


class _Run(AutogradContext):
    plan: Plan
    autocast: torch.autocast


class _Recurrence(torch.autograd.Function):
    """The last states, then what is kept, [turns, ...]; inputs: states, tables, tensors from around the loop."""

    @staticmethod
    def forward(ctx: _Run, plan: Plan, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.plan, ctx.autocast = plan, autocast_of_now(tensors[0].device.type)
        with ctx.autocast:
            states, firsts, kept = _there(Blocks(plan, tensors))
        ctx.save_for_backward(*tensors, *firsts)
        return *states, *kept

    @staticmethod
    @differentiated_once
    def backward(ctx: _Run, *grads: Tensor) -> tuple[Tensor | None, ...]:
        plan: Plan = ctx.plan
        saved = ctx.saved_tensors  # Read once: a turn that is computed again gives them once.
        count = len(ctx.needs_input_grad) - 1
        with ctx.autocast:
            back = _Back(Blocks(plan, saved[:count], comes_back=True), ctx.needs_input_grad[1:])
            carry = back.states(saved[count:], grads)
        return None, *carry, *back.of_tables, *back.of_outer


def _there(blocks: Blocks) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The last states, the states before each block, and what is kept of all turns."""
    plan, states = blocks.plan, blocks.states
    firsts, kept, rooms = list[Tensor](), list[Tensor](), list[Sequence[Tensor]]()
    block: BlockThere | None = None
    for number in range(len(blocks.rows)):
        firsts += states
        if block is not None and block.fits(number):
            block.again(number, states)
        else:
            block = BlockThere(blocks, number, states)
        states = [x.clone() for x in block.last]
        if not number:
            kept = [plan.room_for(row, lead) for row, lead in zip(block.results, plan.leads, strict=True)]
            rooms = [plan.blocks(room, 0) for room in kept]
        for room, row in zip(rooms, block.results, strict=True):
            room[number].copy_(row)
    return states, firsts, kept


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

    def states(self, firsts: Sequence[Tensor], grads: Sequence[Tensor]) -> list[Tensor]:
        """What comes back to the first states, from what came to the last and to what was kept."""
        places = len(self.plan.updates)
        carry, kept = list(grads[:places]), [self.plan.blocks(g, 0) for g in grads[places:]]
        block: BlockBack | None = None
        for number in reversed(range(len(self.blocks.rows))):
            arguments = firsts[number * places :][:places], carry, [rows[number] for rows in kept]
            if block is not None and block.fits(number):
                block.back(number, *arguments)
            else:
                block = BlockBack(self.blocks, number, *arguments, self.of_outer)
            carry = block.before
            self._add_rows(block.came, number)
        return carry

    def _add_rows(self, came: Sequence[Tensor | None], number: int) -> None:
        """Put what came to the rows of tables in a block into its place."""
        for part, rows in zip(came[1:], self.rows, strict=True):
            if rows is not None:
                rows[number].zero_() if part is None else rows[number].copy_(part)


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
    size = _turns_of_block(by_update, states)
    plan = Plan(by_update, around.call(reads[0]), around.back(reads[1]), axes, leads, turns, size, parts)
    first = [h.mT if i in turned else h for i, h in enumerate(states)]
    results: tuple[Tensor, ...] = _Recurrence.apply(plan, *first, *tables, *around.tensors)  # type: ignore[no-untyped-call]
    ended = (h.mT if i in turned else h for i, h in enumerate(results[: len(states)]))
    kept = zip(results[len(states) :], leads, strict=True)
    return *ended, *(row.movedim(0, lead) for row, lead in kept)


def _turns_of_block(updates: Sequence[State], states: Sequence[Tensor]) -> int:
    """How many turns a block has: as many as have states of so many numbers together."""
    numbers = [states[state.place].numel() for state in updates if state.reading is None]
    return min(max(FEWEST_TURNS, NUMBERS // max(1, *numbers)), MOST_TURNS) if numbers else READ_BLOCK


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
