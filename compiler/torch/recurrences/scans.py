"""States along turns, h_t = a_t h_{t-1} + b_t, and the way back (Gu and Dao 2023, 3.3): g_{t-1} = g_{t-1} + a_t g_t."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mai.compiler.torch.autograd_context import AutogradContext
from mai.compiler.torch.recurrences.rooms import Rooms


def scan(a: Tensor, b: Tensor, first: Tensor, room: Rooms) -> Tensor:
    """The states h_t = a_t h_{t-1} + b_t, [1 + turns, ...], from the first on; a and b are [turns, ...]."""
    dtype = torch.promote_types(first.dtype, b.dtype)
    states = room.rows("states", a.shape[0] + 1, first, dtype)
    states[0] = first
    slopes, offsets, steps = map(room.turns, (a.to(dtype), b.to(dtype), states))
    for slope, offset, before, after in zip(slopes, offsets, steps, steps[1:], strict=False):
        torch.addcmul(offset, slope, before, out=after)
    return states


def scan_back(
    a: Tensor, before: Tensor | None, after: Tensor | None, last: Tensor, room: Rooms
) -> tuple[Tensor, Tensor]:
    """What comes back to the states after each turn, g_t = after_t + before_{t+1} + a_{t+1} g_{t+1}, and to the first.

    `before` and `after` are what came to the states by themselves, [turns, ...], `last` what came from later turns.
    """
    came = torch.zeros_like(a, dtype=last.dtype) if after is None else after.to(last.dtype)
    if before is not None:
        came = torch.cat([came[:-1] + before[1:], came[-1:]])
    total = room.rows("back", a.shape[0], last, last.dtype)
    slopes, parts, steps = map(room.turns, (a.to(last.dtype), came, total))
    torch.add(parts[-1], last, out=steps[-1])
    for t in reversed(range(len(steps) - 1)):
        torch.addcmul(parts[t], slopes[t + 1], steps[t + 1], out=steps[t])
    first = slopes[0] * steps[0]
    return total, first if before is None else first + before[0]


def scanned(a: Tensor, b: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """The states before each turn, [turns, ...], and the state after the last, with their way back; a may be broadcast."""
    result: tuple[Tensor, Tensor] = _Scanned.apply(a, b, first)  # type: ignore[no-untyped-call]
    return result


class _Scanned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: AutogradContext, a: Tensor, b: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        states = scan(a, b, first, Rooms())
        ctx.save_for_backward(a, states)
        return states[:-1], states[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: AutogradContext, before: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, states = ctx.saved_tensors
        back, first = scan_back(a.expand_as(before), before, None, last, Rooms())
        return (back * states[:-1]).sum_to_size(a.shape), back, first
