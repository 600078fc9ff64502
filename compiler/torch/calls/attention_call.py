"""Attention with a window or capped scores as one call of generated code: many rows in blocks, which are computed again on the way back.

torch's own kernel has no cap, and looks at all pairs where a mask says which are seen. Of 2,048 tokens (6 heads of 32, batch 2), the
steps there and back take a fifth of the time with a window of 128; with a cap a third, in a seventh of the memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, fx

from mai.compiler.ops.products.scores import headed_by_torch, weighed_by_torch, within
from mai.compiler.torch.autocast import autocast_of_now
from mai.compiler.torch.autograd_context import AutogradContext, differentiated_once
from mai.spec.record import record

ROWS = 64  # Of a block.
FEW = 256  # Rows that are taken at once: of so many, blocks save no time.


@fx.wrap
def attention(
    q: Tensor, k: Tensor, v: Tensor,
    *, heads: int, kv_heads: int, causal: bool, window: int, sinks: int, softcap: float,
) -> Tensor:  # fmt: skip
    """What `Attention` computes; see `ops/products/attention.py`."""
    form = Form(heads, kv_heads, causal, window, sinks, softcap)
    if q.shape[-2] <= FEW:
        return form.rows(q, k, v, 0, slice(0, k.shape[-2]), 0)
    return cast("Tensor", _Attention.apply(form, q, k, v))  # type: ignore[no-untyped-call]


@record
class Form:
    """`Attention`'s attributes."""

    heads: int
    kv_heads: int
    causal: bool
    window: int
    sinks: int
    softcap: float

    def blocks(self, rows: int, columns: int) -> Iterator[tuple[slice, slice, int]]:
        """The rows of each block, the columns that they see, and how many of the first columns they see beside these."""
        for begin in range(0, rows, ROWS):
            end = min(begin + ROWS, rows)
            first = max(0, begin - self.window + 1) if self.window else 0
            last = end if self.causal else columns
            last = min(last, end + self.window - 1) if self.window else last
            yield slice(begin, end), slice(first, min(last, columns)), min(self.sinks, first)

    def rows(self, q: Tensor, k: Tensor, v: Tensor, begin: int, near: slice, first: int) -> Tensor:
        """Rows of q, from the one `begin` on, with columns `near` and the `first` ones; k and v have these columns alone."""
        here: Any = torch.arange(begin, begin + q.shape[-2], device=q.device).unsqueeze(-1)
        apart = [torch.arange(*ends, device=q.device) for ends in ((first,), (near.start, near.stop))]
        there: Any = torch.cat(apart)
        allowed = within(here, there, self.causal, self.window, self.sinks) if self.causal or self.window else None
        pairs: list[tuple[Any, int]] = [(q, self.heads), (k, self.kv_heads), (v, self.kv_heads)]
        rows, keys, values = (headed_by_torch(x, count) for x, count in pairs)
        groups = self.heads // self.kv_heads
        result: Any = weighed_by_torch(torch, rows, keys, values, allowed, groups, self.softcap, False)
        return cast("Tensor", result)


class _Attended(AutogradContext):
    form: Form
    autocast: torch.autocast


class _Attention(torch.autograd.Function):
    """Rows in blocks, of which nothing is kept."""

    @staticmethod
    def forward(ctx: _Attended, form: Form, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        ctx.form, ctx.autocast = form, autocast_of_now(q.device.type)
        ctx.save_for_backward(q, k, v)
        with ctx.autocast:
            blocks = [
                form.rows(q[..., rows, :], _columns(k, near, first), _columns(v, near, first), rows.start, near, first)
                for rows, near, first in form.blocks(q.shape[-2], k.shape[-2])
            ]
        return torch.cat(blocks, -2)

    @staticmethod
    @differentiated_once
    def backward(ctx: _Attended, grad: Tensor) -> tuple[Tensor | None, ...]:
        form, (q, k, v) = ctx.form, ctx.saved_tensors
        sums = [torch.zeros_like(x) for x in (q, k, v)]
        for rows, near, first in form.blocks(q.shape[-2], k.shape[-2]):
            cut = q[..., rows, :], _columns(k, near, first), _columns(v, near, first)
            of_rows, keys, values = parts = [x.detach().requires_grad_() for x in cut]
            with torch.enable_grad(), ctx.autocast:
                result = form.rows(of_rows, keys, values, rows.start, near, first)
            of_q, *of_columns = torch.autograd.grad(result, parts, grad[..., rows, :])
            sums[0][..., rows, :] = of_q
            for total, part in zip(sums[1:], of_columns, strict=True):
                total[..., near, :] += part[..., first:, :]
                total[..., :first, :] += part[..., :first, :]
        return None, *sums


def _columns(x: Tensor, near: slice, first: int) -> Tensor:
    return torch.cat((x[..., :first, :], x[..., near, :]), -2) if first else x[..., near, :]
