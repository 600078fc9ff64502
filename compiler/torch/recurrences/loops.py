"""Loops at run time: a plain Python loop, through which autograd goes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import repeat

import torch
from torch import Tensor, fx

from mai.compiler.torch.turns import computed_again

Body = Callable[..., tuple[Tensor, ...]]
Fits = tuple[tuple[int, ...], ...]  # For each state, where axes of size one go, counted from the end.
Empty = tuple[tuple[tuple[int, ...], torch.dtype], ...]  # Shapes and dtypes of what a loop without turns keeps.
Tables = tuple[tuple[Tensor, int], ...]  # With the axes of the turns.


@fx.wrap
def loop(
    body: Body, count: Tensor | int, device: torch.device, states: tuple[Tensor, ...], captured: tuple[Tensor, ...],
    leads: tuple[int, ...],
    fill: float | None = None, empty: Empty = (), still: bool = False, fits: Fits | None = None, again: bool = False,
    tables: Tables = (),
) -> tuple[Tensor, ...]:  # fmt: skip
    """Apply `body(turn, *states, *rows, *captured)` `count` times; `still` keeps nothing for derivatives, `again` what a turn begins with.

    The body gives the next states and what is kept of the turn; what was kept is stacked after its lead axes, of which
    `leads` has the numbers. With `fill`, the first state is whether any example goes on: the turns not taken keep it.
    `tables` have the rows, one a turn, along their axes: taken apart at once, so that what comes back to one is put together once.
    `empty` is what is kept where there are no turns. With `fits`, which says how the first state meets each, an example that has
    stopped keeps its states, and its turns are computed from what the last of its own began with: nothing goes wrong in them.
    """
    turns = int(count)  # Read once: where it is a tensor, this waits for the device.
    kept: list[list[Tensor]] = [[] for _ in leads]
    body = partial(computed_again, body) if again else body
    with torch.set_grad_enabled(torch.is_grad_enabled() and not still):
        states = _turns(body, torch.arange(turns, device=device), states, tables, captured, kept, fill, fits)
    if not turns:
        return *states, *empty_rows(empty, device)
    if fill is not None:
        kept = [rows + [torch.full_like(rows[0], fill)] * (turns - len(rows)) for rows in kept]
    return *states, *(torch.stack(rows, lead) for rows, lead in zip(kept, leads, strict=True))


def empty_rows(empty: Empty, device: torch.device) -> list[Tensor]:
    """What a loop without turns keeps: no rows, of the sizes that they would have."""
    return [torch.zeros(shape, dtype=dtype, device=device) for shape, dtype in empty]


def _turns(
    body: Body, turns: Tensor, states: tuple[Tensor, ...], tables: Tables, captured: tuple[Tensor, ...],
    kept: list[list[Tensor]], fill: float | None, fits: Fits | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The last states; the rows of each turn are appended to `kept`."""
    before = states
    rows_of_turns = zip(*(table.unbind(axis) for table, axis in tables), strict=True) if tables else repeat(())
    for turn, taken in zip(turns.unbind(), rows_of_turns, strict=False):
        before = states if fits is None else _where_going(states[0], states, before, fits)
        results = body(turn, *before, *taken, *captured)
        after = results[: len(states)]
        states = after if fits is None else _where_going(states[0], after, states, fits)
        for rows, row in zip(kept, results[len(states) :], strict=True):
            rows.append(row)
        if fill is not None and not states[0].any():
            break
    return states


def _where_going(going: Tensor, new: tuple[Tensor, ...], old: tuple[Tensor, ...], fits: Fits) -> tuple[Tensor, ...]:
    """New states where an example goes on, old ones elsewhere; the first of them says so, and is always new."""
    if bool(going.all()):
        return new
    chosen = [torch.where(_fitted(going, axes), a, b) for a, b, axes in zip(new[1:], old[1:], fits[1:], strict=True)]
    return new[0], *chosen


def _fitted(going: Tensor, axes: tuple[int, ...]) -> Tensor:
    for axis in sorted(axes, reverse=True):
        going = going.unsqueeze(axis)
    return going
