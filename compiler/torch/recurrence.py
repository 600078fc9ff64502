"""Recurrences at run time: by blocks of turns, of which only the first states are kept; the way back computes a block again.

As the fused scans of selective state spaces do (Gu and Dao 2023, 3.3): forward h = a h + b in place, backward the same from the
last turn to the first, g_{t-1} = g_{t-1} + a_t g_t; what comes back to a_t is g_t h_{t-1}, to b_t it is g_t. What a and b
are computed from, and what reads the states, is autograd's within a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd.function import once_differentiable

from mai.compiler.torch.loops import Empty, empty_rows

BLOCK = 16  # Turns; measured: 8, 16 and 32 are within a fifth of each other, 64 takes longer.

Outer = Tensor | int  # What a region reads from around the loop: values, and sizes.
Places = tuple[int, ...]


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
class Plan:
    """What the blocks of one recurrence compute.

    updates, reads: the regions of `passes/loops/recurrence.py`, in its order.
    fits: for each update, where a and b lack axes, counted from the end.
    order: the places of the states.
    axes: of each table, the axis of the turns, in memory.
    count: of the turns.
    parts: how many states, tables and outer tensors there are; what follows are parameters.
    """

    updates: tuple[Call, ...]
    reads: Call
    fits: tuple[tuple[Places, Places], ...]
    order: Places
    axes: Places
    count: int
    parts: tuple[int, int, int]

    def blocks(self) -> list[range]:
        """The turns of each block."""
        return [range(i, min(i + BLOCK, self.count)) for i in range(0, self.count, BLOCK)]

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

    slopes, offsets: a and b of each update, [turns, ...].
    states: of each update, before the turns and after them, [turns, ...] each.
    last: the states after the last turn, in their places.
    kept: what the turns keep, [turns, ...].
    """

    def __init__(
        self, plan: Plan, turns: range, first: Sequence[Tensor], rows: Sequence[Tensor], outer: Sequence[Tensor]
    ) -> None:
        self.slopes: list[Tensor] = []
        self.offsets: list[Tensor] = []
        self.states: list[tuple[Tensor, Tensor]] = []
        self.last = list(first)
        read = [torch.arange(turns.start, turns.stop, device=first[0].device), *rows]
        for call, fit, place in zip(plan.updates, plan.fits, plan.order, strict=True):
            shape = (len(turns), *first[place].shape)
            a, b = (_full(x, axes, shape) for x, axes in zip(call(read, outer), fit, strict=True))
            states = _scan(a.detach(), b.detach(), first[place])
            before, after = (h.requires_grad_(torch.is_grad_enabled()) for h in (states[:-1], states[1:]))
            self.slopes.append(a)
            self.offsets.append(b)
            self.states.append((before, after))
            self.last[place] = states[-1].clone()
            read += [before, after]
        self.kept = plan.reads(read, outer)


def _full(x: Tensor, axes: Places, shape: tuple[int, ...]) -> Tensor:
    """All turns and all elements of a or b."""
    for axis in sorted(axes, reverse=True):
        x = x.unsqueeze(axis)
    return x.expand(shape)


def _scan(a: Tensor, b: Tensor, first: Tensor) -> Tensor:
    """The states h_t = a_t h_{t-1} + b_t, [1 + turns, ...], from the first on."""
    states = torch.empty(len(a) + 1, *first.shape, dtype=torch.promote_types(first.dtype, b.dtype), device=first.device)
    states[0], states[1:] = first, b
    steps = states.unbind(0)
    for slope, before, after in zip(a.to(states.dtype).unbind(0), steps, steps[1:], strict=False):
        after.addcmul_(slope, before)
    return states


def _scan_back(a: Tensor, before: Tensor | None, after: Tensor | None, last: Tensor) -> tuple[Tensor, Tensor]:
    """What comes back to the states after each turn, g_t = after_t + before_{t+1} + a_{t+1} g_{t+1}, and to the first.

    `before` and `after` are what came to the states by themselves, [turns, ...], `last` what came from later turns.
    """
    came = torch.zeros_like(a, dtype=last.dtype) if after is None else after.to(last.dtype)
    if before is not None:
        came = torch.cat([came[:-1] + before[1:], came[-1:]])
    total = torch.empty_like(came, memory_format=torch.contiguous_format)
    slopes, parts, steps = (x.unbind(0) for x in (a.to(last.dtype), came, total))
    torch.add(parts[-1], last, out=steps[-1])
    for t in reversed(range(len(steps) - 1)):
        torch.addcmul(parts[t], slopes[t + 1], steps[t + 1], out=steps[t])
    first = slopes[0] * steps[0]
    return total, first if before is None else first + before[0]


class _Recurrence(torch.autograd.Function):
    """The last states, then what is kept, [turns, ...]; inputs: states, tables, outer tensors, parameters."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *tensors: Tensor) -> tuple[Tensor, ...]:
        states, tables, outer, _ = plan.split(tensors)
        ctx.plan, ctx.autocast = plan, _autocast(states[0].device.type)
        firsts, kept = [], []
        with ctx.autocast:
            for turns in plan.blocks():
                firsts += states
                block = Block(plan, turns, states, plan.rows(tables, turns), outer)
                states = block.last
                kept.append(block.kept)
        ctx.save_for_backward(*tensors, *firsts)
        return *states, *(torch.cat(parts) for parts in zip(*kept, strict=True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        plan: Plan = ctx.plan
        count = len(ctx.saved_tensors) - len(plan.blocks()) * len(plan.order)
        tensors = ctx.saved_tensors[:count]
        firsts = [h.detach() for h in ctx.saved_tensors[count:]]
        back = _Back(plan, tensors, ctx.needs_input_grad[1:])
        carry, kept = list(grads[: len(plan.order)]), grads[len(plan.order) :]
        with torch.enable_grad(), ctx.autocast:
            for number, turns in reversed([*enumerate(plan.blocks())]):
                first = firsts[number * len(carry) :][: len(carry)]
                carry = back.block(turns, first, carry, [k[turns.start : turns.stop] for k in kept])
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
        self.sources = [(source, total) for source, is_needed, total in pairs if is_needed and total is not None]

    def block(
        self, turns: range, first: Sequence[Tensor], carry: Sequence[Tensor], kept: Sequence[Tensor]
    ) -> list[Tensor]:
        """What comes back to the states before a block, from what came to those after it and to what it kept."""
        plan, carry = self.plan, list(carry)
        rows = [r.requires_grad_(moves) for r, moves in zip(plan.rows(self.tables, turns), self.moves, strict=True)]
        made = Block(plan, turns, first, rows, self.outer)
        leaves = [leaf for pair in made.states for leaf in pair]
        parts = self._row_parts(rows, turns)
        came: list[Tensor | None] = [None for _ in leaves]
        self._back(made.kept, kept, leaves, came, parts)
        for i, place in reversed([*enumerate(plan.order)]):
            slopes = made.slopes[i]
            g, carry[place] = _scan_back(slopes.detach(), came[2 * i], came[2 * i + 1], carry[place])
            products = g * made.states[i][0].detach() if slopes.requires_grad else g
            self._back([slopes, made.offsets[i]], [products, g], leaves[: 2 * i], came, parts)
        return carry

    def _row_parts(self, rows: Sequence[Tensor], turns: range) -> list[tuple[Tensor, Tensor]]:
        """The rows that move, with their places in the sums of their tables."""
        triples = zip(rows, self.plan.axes, self.sums, strict=False)
        return [(row, self.plan.part(total, axis, turns)) for row, axis, total in triples if total is not None]

    def _back(
        self, results: Sequence[Tensor], grads: Sequence[Tensor], leaves: Sequence[Tensor], came: list[Tensor | None],
        parts: Sequence[tuple[Tensor, Tensor]],
    ) -> None:  # fmt: skip
        """What comes back from results: to `leaves` it goes into `came`, to the rows and other sources into their sums."""
        pairs = [(r, g.to(r.dtype)) for r, g in zip(results, grads, strict=True) if r.requires_grad]
        sums = [*parts, *self.sources]
        sources = [*leaves, *(source for source, _ in sums)]
        if not pairs or not sources:
            return
        made = torch.autograd.grad([r for r, _ in pairs], sources, [g for _, g in pairs], allow_unused=True)
        for i, part in enumerate(made[: len(leaves)]):
            came[i] = _sum(came[i], part)
        for (_, total), part in zip(sums, made[len(leaves) :], strict=True):
            if part is not None:
                total += part


def _sum(x: Tensor | None, y: Tensor | None) -> Tensor | None:
    if x is None or y is None:
        return y if x is None else x
    return x + y


def _autocast(device: str) -> torch.autocast:
    """The precision of now, for the way back, too; nothing is remembered of weights, since the way there has no derivative."""
    return torch.autocast(
        device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device), cache_enabled=False
    )


@fx.wrap
def recurrence(
    updates: tuple[tuple[torch.nn.Module, tuple[Outer, ...]], ...], reads: tuple[torch.nn.Module, tuple[Outer, ...]],
    count: Tensor, states: tuple[Tensor, ...], tables: tuple[Tensor, ...], fits: tuple[tuple[Places, Places], ...],
    order: Places, axes: Places, leads: Places, empty: Empty = (),
) -> tuple[Tensor, ...]:  # fmt: skip
    """The last states of a recurrence, then what is kept of its turns, stacked after `leads` lead axes; see `Plan`.

    `empty` is what is kept where there are no turns.
    """
    if not int(count):
        return *states, *empty_rows(empty, count.device)
    modules = [*updates, reads]
    outer = list({id(o): o for _, read in modules for o in read if isinstance(o, Tensor)}.values())
    place = {id(o): i for i, o in enumerate(outer)}
    calls = [Call(module, tuple(place.get(id(o)) for o in read), read) for module, read in modules]
    weights = list({id(p): p for module, _ in modules for p in module.parameters()}.values())
    parts = (len(states), len(tables), len(outer))
    plan = Plan(tuple(calls[:-1]), calls[-1], fits, order, axes, int(count), parts)
    results: tuple[Tensor, ...] = _Recurrence.apply(plan, *states, *tables, *outer, *weights)  # type: ignore[no-untyped-call]
    kept = zip(results[len(states) :], leads, strict=True)
    return *results[: len(states)], *(row.movedim(0, lead) for row, lead in kept)
