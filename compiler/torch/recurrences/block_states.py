"""What a block of turns does with one state: its way there, and its way back.

Either all states of the block are made (`scans.py`), and what comes back to them is g. Or only what is read of them is
(`decayed_products.py`), and the way back is autograd's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mai.compiler.torch.recurrences.decayed_products import decayed_products
from mai.compiler.torch.recurrences.rooms import Rooms
from mai.compiler.torch.recurrences.scans import scan, scan_back

Places = tuple[int, ...]
Came = Sequence[Tensor | None]


def aligned(x: Tensor, axes: Places) -> Tensor:
    """x with axes of size one, at places counted from the end."""
    for axis in sorted(axes, reverse=True):
        x = x.unsqueeze(axis)
    return x


class Scanned:
    """The states of all turns, by their a and b, which broadcast to [turns, ...].

    gives: the states before and after each turn, [turns, ...].
    last: the state after the last turn.

    They are in `rooms` that the next block of this state uses, too.
    """

    def __init__(self, parts: Sequence[Tensor], first: Tensor, turns: int, rooms: Rooms) -> None:
        self.rooms = rooms
        self.a, b = (x.expand(turns, *first.shape) for x in parts)
        states = scan(self.a, b, first, rooms)
        self.gives, self.last = (states[:-1], states[1:]), states[-1].clone()

    def back(self, came: Came, carry: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What comes back to the first state, then what the code of the way back is given: g, and the states before each turn."""
        before, after = came
        g, first = scan_back(self.a, before, after, carry, self.rooms)
        return first, [g, self.gives[0]]


class Read:
    """What is read of states that are sums of outer products, by their decays, keys, values and queries.

    over: the axis of a state that the reading sums over. kept: the axis of size one that its result has, if any.
    """

    def __init__(
        self, parts: Sequence[Tensor], first: Tensor, turns: int, over: int, kept: int | None, fit: Sequence[Places]
    ) -> None:
        self.leaves = [x.detach().requires_grad_(torch.is_grad_enabled()) for x in (first, *parts)]
        state, *results = self.leaves
        a, k, v, q = (aligned(x, axes) for x, axes in zip(results, fit, strict=True))
        if over == -1:  # The state's columns are what is summed over: the same with the state transposed.
            k, v, state = v, k, state.mT
        lead, (n, m) = (turns, *first.shape[:-2]), state.shape[-2:]
        sizes = (lead, (*lead, n), (*lead, m), (*lead, n))
        a, k, v, q = (x.expand(size) for x, size in zip((a, k, v, q), sizes, strict=True))
        read, last = decayed_products(a, k, v, q, state)
        self.ends = read if kept is None else read.unsqueeze(kept), last.mT if over == -1 else last
        self.gives, self.last = (self.ends[0].detach(),), self.ends[1].detach()

    def back(self, came: Came, carry: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What comes back to the first state, then what came to decays, keys, values and queries."""
        (to_read,) = came
        pairs = [(x, g.to(x.dtype)) for x, g in zip(self.ends, (to_read, carry), strict=True) if g is not None]
        first, *parts = torch.autograd.grad(
            [x for x, _ in pairs], self.leaves, [g for _, g in pairs], materialize_grads=True
        )
        return first, parts
