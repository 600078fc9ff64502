"""Loops at run time: a plain Python loop, through which autograd goes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

Body = Callable[..., tuple[Tensor, ...]]


@fx.wrap
def loop(
    body: Body, count: Tensor, states: tuple[Tensor, ...], captured: tuple[Tensor, ...], leads: tuple[int, ...],
    fill: float | None = None, empty: tuple[tuple[tuple[int, ...], torch.dtype], ...] = (),
) -> tuple[Tensor, ...]:  # fmt: skip
    """Apply `body(turn, *states, *captured)` `count` times.

    The body gives the next states and what is kept of the turn; what was kept is stacked after its lead axes, of which
    `leads` has the numbers. With `fill`, the first state is whether any example goes on: the turns not taken keep it.
    `empty` has shapes and dtypes of what is kept, for a loop without turns.
    """
    kept: list[list[Tensor]] = [[] for _ in leads]
    for turn in torch.arange(int(count), device=count.device):
        results = body(turn, *states, *captured)
        states = results[: len(states)]
        for rows, row in zip(kept, results[len(states) :], strict=True):
            rows.append(row)
        if fill is not None and not states[0].any():
            break
    if not int(count):
        return *states, *(torch.zeros(shape, dtype=dtype, device=count.device) for shape, dtype in empty)
    if fill is not None:
        kept = [rows + [torch.full_like(rows[0], fill)] * (int(count) - len(rows)) for rows in kept]
    return *states, *(torch.stack(rows, lead) for rows, lead in zip(kept, leads, strict=True))
