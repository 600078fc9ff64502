"""States along turns, h_t = a_t h_{t-1} + b_t, and the way back (Gu and Dao 2023, 3.3): g_{t-1} = g_{t-1} + a_t g_t."""

from __future__ import annotations

import torch
from torch import Tensor

from mai.compiler.torch.autograd_context import AutogradContext, differentiated_once
from mai.compiler.torch.recurrences.tape import Tape


def scan(a: Tensor, b: Tensor, first: Tensor, tape: Tape) -> Tensor:
    """The states h_t = a_t h_{t-1} + b_t, [1 + turns, ...], from the first on; a and b are [turns, ...].

    They lie where b was, if nobody else reads that.
    """
    dtype = torch.promote_types(first.dtype, b.dtype)
    states = tape.with_row(b)
    if states is None or states.dtype != dtype:
        states = torch.empty(a.shape[0] + 1, *first.shape, dtype=dtype, device=first.device)
    states[0] = first
    slopes, offsets, steps = (x.unbind() for x in (tape.cast(a, dtype), tape.cast(b, dtype), states))
    for slope, offset, before, after in zip(slopes, offsets, steps, steps[1:], strict=False):
        tape.write(torch.addcmul, offset, slope, before, out=after)
    return states


def scan_back(
    a: Tensor, before: Tensor | None, after: Tensor | None, last: Tensor, tape: Tape
) -> tuple[Tensor, Tensor]:
    """What comes back to the states after each turn, g_t = after_t + before_{t+1} + a_{t+1} g_{t+1}, and to the first.

    `before` and `after` are what came to the states by themselves, [turns, ...], `last` what came from later turns.
    """
    came = torch.zeros_like(a, dtype=last.dtype) if after is None else tape.cast(after, last.dtype)
    if before is not None:
        came = tape.compute(_shifted, came, before)
    is_free = came.is_contiguous() and tape.take(came)
    total = came if is_free else torch.empty(a.shape[0], *last.shape, dtype=last.dtype, device=last.device)
    slopes, parts, steps = (x.unbind() for x in (tape.cast(a, last.dtype), came, total))
    tape.write(torch.add, parts[-1], last, out=steps[-1])
    for t in reversed(range(len(steps) - 1)):
        tape.write(torch.addcmul, parts[t], slopes[t + 1], steps[t + 1], out=steps[t])
    first = tape.into(torch.mul, slopes[0], steps[0])
    return total, first if before is None else tape.into(torch.add, first, before[0])


def _shifted(came: Tensor, before: Tensor) -> Tensor:
    """What came to the states after the turns, with what came to them before the next ones."""
    return torch.cat([came[:-1] + before[1:], came[-1:]])


def scanned(a: Tensor, b: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """The states before each turn, [turns, ...], and the state after the last, with their way back; a may be broadcast."""
    result: tuple[Tensor, Tensor] = _Scanned.apply(a, b, first)  # type: ignore[no-untyped-call]
    return result


class _Scanned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: AutogradContext, a: Tensor, b: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        states = scan(a, b, first, Tape(keeps=False))
        ctx.save_for_backward(a, states)
        return states[:-1], states[-1].clone()

    @staticmethod
    @differentiated_once
    def backward(ctx: AutogradContext, before: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, states = ctx.saved_tensors
        back, first = scan_back(a.expand_as(before), before, None, last, Tape(keeps=False))
        return (back * states[:-1]).sum_to_size(a.shape), back, first
