"""Recurrences at run time: by blocks of turns, of which only the first states are kept; the way back computes a block again.

What each block does with its states is in `block_states.py`. What these are computed from, and what reads them, is autograd's within a
block.
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
from mai.compiler.torch.recurrences.block_states import Pairs, Places, Read, Scanned
from mai.compiler.torch.recurrences.loops import Empty, empty_rows
from mai.compiler.torch.recurrences.scans import Room

BLOCK = 16  # Turns; measured: 8, 16 and 32 are within a fifth of each other, 64 takes longer.
READ_BLOCK = 256  # The same where every state is read by products, whose chunks are done together: fewer, larger calls.

Outer = Tensor | int  # What a region reads from around the loop: values, and sizes.
Region = tuple[torch.nn.Module, tuple[Outer, ...]]  # With what it reads.
Update = tuple[torch.nn.Module, tuple[Outer, ...], int, tuple[Places, ...], tuple[int, int | None] | None]


@dataclass(frozen=True, slots=True)
class Call:
    """A region as a module, and what it reads from around the loop: `places` among the tensors, None where it is a size."""

    module: torch.nn.Module
    places: tuple[int | None, ...]
    sizes: tuple[Outer, ...]

    def __call__(self, inputs: Iterable[Tensor], outer: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The region's results for the turns of a block."""
        read = (s if p is None else outer[p] for p, s in zip(self.places, self.sizes, strict=True))
        results: tuple[Tensor, ...] = self.module(*inputs, *read)
        return results


@dataclass(frozen=True, slots=True)
class State:
    """What blocks compute of one state, at `place` among them.

    fit: where the results of `call` lack axes, counted from the end.
    reading: the axis that is summed over where a product reads it, and the axis of size one that this leaves, if any.
    """

    call: Call
    place: int
    fit: tuple[Places, ...]
    reading: tuple[int, int | None] | None

    def computed(
        self, inputs: Sequence[Tensor], outer: Sequence[Tensor], first: Tensor, turns: int, room: Room
    ) -> Scanned | Read:
        """What a block computes of the state."""
        parts = [_aligned(x, axes) for x, axes in zip(self.call(inputs, outer), self.fit, strict=True)]
        return Scanned(parts, first, turns, room) if self.reading is None else Read(parts, first, turns, *self.reading)


def _aligned(x: Tensor, axes: Places) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.unsqueeze(axis)
    return x


@dataclass(frozen=True, slots=True)
class Plan:
    """What the blocks of one recurrence compute.

    updates, reads: those of `passes/loops/recurrences/recurrence.py`, in its order.
    axes: of each table, the axis of the turns, in memory.
    count: of the turns.
    parts: how many states, tables and outer tensors there are; what follows are parameters.
    """

    updates: tuple[State, ...]
    reads: Call
    axes: Places
    count: int
    parts: tuple[int, int, int]

    def blocks(self) -> list[range]:
        """The turns of each block."""
        size = BLOCK if any(state.reading is None for state in self.updates) else READ_BLOCK
        return [range(i, min(i + size, self.count)) for i in range(0, self.count, size)]

    def split(self, tensors: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        """The states, the tables, the outer tensors and the rest."""
        states, tables, outer = self.parts
        ends = (0, states, states + tables, states + tables + outer, len(tensors))
        first, second, third, fourth = (list(tensors[i:j]) for i, j in pairwise(ends))
        return first, second, third, fourth

    def rows(self, tables: Sequence[Tensor], turns: range) -> list[Tensor]:
        """The rows [turns, ...] of the tables."""
        return [self.part(t, axis, turns).contiguous() for t, axis in zip(tables, self.axes, strict=True)]

    def part(self, table: Tensor, axis: int, turns: range) -> Tensor:
        """The turns of a table, as a view [turns, ...]."""
        return table.narrow(axis, turns.start, len(turns)).movedim(axis, 0)


class Block:
    """The turns of one block, computed as it is made.

    states: what it does with each state.
    last: the states after the last turn, in their places.
    kept: what the turns keep, [turns, ...].
    """

    def __init__(
        self, plan: Plan, turns: range, first: Sequence[Tensor], rows: Sequence[Tensor], outer: Sequence[Tensor],
        rooms: Sequence[Room],
    ) -> None:  # fmt: skip
        self.states: list[Scanned | Read] = []
        self.last = list(first)
        read = [torch.arange(turns.start, turns.stop, device=first[0].device), *rows]
        for update in plan.updates:
            state = update.computed(read, outer, first[update.place], len(turns), rooms[update.place])
            self.states.append(state)
            self.last[update.place] = state.last
            read += state.gives
        self.kept = plan.reads(read, outer)

    def ends(self, plan: Plan, carry: Sequence[Tensor]) -> Pairs:
        """The last states that autograd goes back through, and what comes to them from later turns."""
        pairs = zip(plan.updates, self.states, strict=True)
        return [end for update, state in pairs for end in state.ends(carry[update.place])]


class _Recurrence(torch.autograd.Function):
    """The last states, then what is kept, [turns, ...]; inputs: states, tables, outer tensors, parameters."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *tensors: Tensor) -> tuple[Tensor, ...]:
        states, tables, outer, _ = plan.split(tensors)
        ctx.plan, ctx.autocast = plan, autocast_of_now(states[0].device.type)
        rooms = [Room() for _ in states]
        firsts: list[Tensor] = []
        kept: list[Tensor] = []
        with ctx.autocast:
            for turns in plan.blocks():
                firsts += states
                block = Block(plan, turns, states, plan.rows(tables, turns), outer, rooms)
                states = block.last
                kept = kept or [row.new_empty(plan.count, *row.shape[1:]) for row in block.kept]
                for rows, row in zip(kept, block.kept, strict=True):
                    rows[turns.start : turns.stop] = row
                del block  # Its memory is for the next.
        ctx.save_for_backward(*tensors, *firsts)
        return *states, *kept

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        plan: Plan = ctx.plan
        saved = ctx.saved_tensors  # Read once: a turn that is computed again gives them once.
        count = len(saved) - len(plan.blocks()) * len(plan.updates)
        tensors = saved[:count]
        firsts = [h.detach() for h in saved[count:]]
        back = _Back(plan, tensors, ctx.needs_input_grad[1:])
        carry, kept = list(grads[: len(plan.updates)]), grads[len(plan.updates) :]
        with torch.enable_grad(), ctx.autocast:
            for number, turns in reversed([*enumerate(plan.blocks())]):
                first = firsts[number * len(carry) :][: len(carry)]
                carry = back.block(turns, first, carry, [k[turns.start : turns.stop].contiguous() for k in kept])
        return None, *carry, *back.sums


class _Back:
    """The way back through the blocks, the last first; `sums` has what came back to tables, outer tensors and parameters."""

    def __init__(self, plan: Plan, tensors: Sequence[Tensor], wanted: Sequence[bool]) -> None:
        self.plan = plan
        _, tables, outer, parameters = plan.split(tensors)
        self.tables = [t.detach() for t in tables]
        _, self.moves, *further = plan.split(wanted)
        needed = [*further[0], *further[1]]
        self.outer = [o.detach().requires_grad_() if n else o for o, n in zip(outer, further[0], strict=True)]
        self.sums = [torch.zeros_like(t) if n else None for t, n in zip(tensors, wanted, strict=True)][plan.parts[0] :]
        pairs = zip([*self.outer, *parameters], needed, self.sums[plan.parts[1] :], strict=True)
        self.rooms = [Room() for _ in plan.updates]
        self.sources = [(source, total) for source, is_needed, total in pairs if is_needed and total is not None]

    def block(
        self, turns: range, first: Sequence[Tensor], carry: Sequence[Tensor], kept: Sequence[Tensor]
    ) -> list[Tensor]:
        """What comes back to the states before a block, from what came to those after it and to what it kept."""
        plan, carry = self.plan, list(carry)
        rows = [r.requires_grad_(moves) for r, moves in zip(plan.rows(self.tables, turns), self.moves, strict=True)]
        block = Block(plan, turns, first, rows, self.outer, self.rooms)
        parts = self._row_parts(rows, turns)
        leaves = [leaf for state in block.states for leaf in state.leaves]
        came: list[Tensor | None] = [None for _ in leaves]
        self._back([*zip(block.kept, kept, strict=True), *block.ends(plan, carry)], leaves, came, parts)
        end = len(leaves)
        for update, state in reversed([*zip(plan.updates, block.states, strict=True)]):
            begin = end - len(state.leaves)
            carry[update.place], results = state.back(came[begin:end], carry[update.place])
            self._back(results, leaves[:begin], came, parts)
            end = begin
        return carry

    def _row_parts(self, rows: Sequence[Tensor], turns: range) -> list[tuple[Tensor, Tensor]]:
        """The rows that move, with their places in the sums of their tables."""
        triples = zip(rows, self.plan.axes, self.sums, strict=False)
        return [(row, self.plan.part(total, axis, turns)) for row, axis, total in triples if total is not None]

    def _back(
        self,
        results: Pairs,
        leaves: Sequence[Tensor],
        came: list[Tensor | None],
        parts: Sequence[tuple[Tensor, Tensor]],
    ) -> None:
        """What comes back from results: to `leaves` it goes into `came`, to the rows and other sources into their sums."""
        pairs = [(r, g.to(r.dtype)) for r, g in results if r.requires_grad]
        sums = [*parts, *self.sources]
        sources = [*leaves, *(source for source, _ in sums)]
        if not pairs or not sources:
            return
        gradients = torch.autograd.grad([r for r, _ in pairs], sources, [g for _, g in pairs], allow_unused=True)
        for i, part in enumerate(gradients[: len(leaves)]):
            came[i] = _sum(came[i], part)
        for (_, total), part in zip(sums, gradients[len(leaves) :], strict=True):
            if part is not None:
                total += part


def _sum(x: Tensor | None, y: Tensor | None) -> Tensor | None:
    if x is None or y is None:
        return y if x is None else x
    return x + y


@fx.wrap
def recurrence(
    updates: tuple[Update, ...], reads: Region, count: Tensor | int, device: torch.device, states: tuple[Tensor, ...],
    tables: tuple[Tensor, ...], axes: Places, leads: Places, turned: Places, empty: Empty = (),
) -> tuple[Tensor, ...]:  # fmt: skip
    """The last states of a recurrence, then what is kept of its turns, stacked after `leads` lead axes; see `Plan`.

    Blocks have the last two axes of the states `turned` in the other order. `empty` is what is kept where there are no turns.
    """
    turns = int(count)  # Read once: where it is a tensor, this waits for the device.
    if not turns:
        return *states, *empty_rows(empty, device)
    regions = [*((module, read) for module, read, *_ in updates), reads]
    outer = list({id(o): o for _, read in regions for o in read if isinstance(o, Tensor)}.values())
    among = {id(o): i for i, o in enumerate(outer)}
    *calls, last = (Call(module, tuple(among.get(id(o)) for o in read), read) for module, read in regions)
    weights = list({id(p): p for module, _ in regions for p in module.parameters()}.values())
    by_update = tuple(State(call, *update[2:]) for call, update in zip(calls, updates, strict=True))
    plan = Plan(by_update, last, axes, turns, (len(states), len(tables), len(outer)))
    first = [h.mT if i in turned else h for i, h in enumerate(states)]
    results: tuple[Tensor, ...] = _Recurrence.apply(plan, *first, *tables, *outer, *weights)  # type: ignore[no-untyped-call]
    ended = (h.mT if i in turned else h for i, h in enumerate(results[: len(states)]))
    kept = zip(results[len(states) :], leads, strict=True)
    return *ended, *(row.movedim(0, lead) for row, lead in kept)
