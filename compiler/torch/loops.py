"""Loops at run time: a plain Python loop, through which autograd goes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

Body = Callable[..., tuple[Tensor, ...]]
Empty = tuple[tuple[tuple[int, ...], torch.dtype], ...]  # Shapes and dtypes of what a loop without turns keeps.


@fx.wrap
def loop(
    body: Body, count: Tensor, states: tuple[Tensor, ...], captured: tuple[Tensor, ...], leads: tuple[int, ...],
    fill: float | None = None, empty: Empty = (), still: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Apply `body(turn, *states, *captured)` `count` times; `still` keeps nothing for derivatives.

    The body gives the next states and what is kept of the turn; what was kept is stacked after its lead axes, of which
    `leads` has the numbers. With `fill`, the first state is whether any example goes on: the turns not taken keep it.
    `empty` is what is kept where there are no turns.
    """
    kept: list[list[Tensor]] = [[] for _ in leads]
    with torch.set_grad_enabled(torch.is_grad_enabled() and not still):
        states = _turns(body, count, states, captured, kept, fill)
    if not int(count):
        return *states, *empty_rows(empty, count.device)
    if fill is not None:
        kept = [rows + [torch.full_like(rows[0], fill)] * (int(count) - len(rows)) for rows in kept]
    return *states, *(torch.stack(rows, lead) for rows, lead in zip(kept, leads, strict=True))


def empty_rows(empty: Empty, device: torch.device) -> list[Tensor]:
    """What a loop without turns keeps: no rows, of the sizes that they would have."""
    return [torch.zeros(shape, dtype=dtype, device=device) for shape, dtype in empty]


def _turns(
    body: Body, count: Tensor, states: tuple[Tensor, ...], captured: tuple[Tensor, ...], kept: list[list[Tensor]],
    fill: float | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The last states; the rows of each turn are appended to `kept`."""
    for turn in torch.arange(int(count), device=count.device):
        results = body(turn, *states, *captured)
        states = results[: len(states)]
        for rows, row in zip(kept, results[len(states) :], strict=True):
            rows.append(row)
        if fill is not None and not states[0].any():
            break
    return states
