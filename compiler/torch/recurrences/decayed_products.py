"""Sums of outer products that decay, by chunks of turns: H_t = a_t H_{t-1} + k_t v_t^T, of which y_t = q_t^T H_t is read."""

from __future__ import annotations

import torch
from torch import Tensor

from mai.compiler.torch.autograd_context import AutogradContext, differentiated_once
from mai.compiler.torch.recurrences.scans import scanned

CHUNK = 16  # Turns that are one product of matrices; measured: 32 takes a tenth longer, 64 a third.


class _Decays(torch.autograd.Function):
    """D_ts [..., turns, turns], the product of the decays a [..., turns] after s up to t, 0 where s is later than t.

    It is multiplied out and never divided, so no decay is too small or too large for it, and a decay may be 0. What comes back to a_l
    is the sum of g_ts D_tl D_{l-1,s} over s < l <= t.
    """

    @staticmethod
    def forward(ctx: AutogradContext, a: Tensor) -> Tensor:
        after = torch.ones(a.shape[-1], a.shape[-1], dtype=torch.bool, device=a.device).tril(-1)
        decays = torch.where(after, a.unsqueeze(-1), 1.0).cumprod(-2).tril()
        ctx.save_for_backward(decays)
        return decays

    @staticmethod
    @differentiated_once
    def backward(ctx: AutogradContext, grad: Tensor) -> Tensor:
        (decays,) = ctx.saved_tensors
        before = grad.to(decays.dtype).tril() @ decays.mT
        back = (decays[..., 1:] * before[..., :-1]).sum(-2)
        return torch.nn.functional.pad(back, (1, 0))


def decayed_products(decay: Tensor, key: Tensor, value: Tensor, query: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """What is read of the states, [turns, ..., m], and the state after the last turn, [..., n, m].

    Args:
        decay: [turns, ...].
        key, query: [turns, ..., n].
        value: [turns, ..., m].
        first: the state before, [..., n, m].
    """
    left = len(decay) % CHUNK
    whole = len(decay) - left
    reads = []
    for begin, end, size in ((0, whole, CHUNK), (whole, len(decay), left)):
        if begin < end:
            a, k, v, q = (
                x[begin:end].reshape((end - begin) // size, size, *x.shape[1:]) for x in (decay, key, value, query)
            )
            read, first = _chunks(a, k, v, q, first)
            reads.append(read)
    return torch.cat(reads), first


def _chunks(decay: Tensor, key: Tensor, value: Tensor, query: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
    """The same of [chunks, turns, ...]; only what goes from chunk to chunk is done one after the other."""
    a = decay.movedim(1, -1)
    k, v, q = (x.movedim(1, -2) for x in (key, value, query))
    decays: Tensor = _Decays.apply(a)  # type: ignore[no-untyped-call]
    since = (a[..., :1] * decays[..., 0]).unsqueeze(-1)
    added = (k * decays[..., -1, :, None]).mT @ v
    before, last = scanned(since[..., -1:, :], added, first)
    read = (q @ k.mT * decays) @ v + (q * since) @ before
    return read.movedim(-2, 1).flatten(0, 1), last
