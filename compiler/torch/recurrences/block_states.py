"""What a block of turns does with one state: its way there, and its way back.

Either all states of the block are made (`scans.py`), and what comes back to a_t is g_t h_{t-1}, to b_t it is g_t. Or only what is
read of them is (`decayed_products.py`), and the way back is autograd's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mai.compiler.torch.recurrences.decayed_products import decayed_products
from mai.compiler.torch.recurrences.scans import Room, scan, scan_back

Places = tuple[int, ...]
Came = Sequence[Tensor | None]  # What came back to `leaves`.
Pairs = list[tuple[Tensor, Tensor]]  # Results, and what comes back to them.


class Scanned:
    """The states of all turns, by their a and b, which broadcast to [turns, ...].

    leaves: the states before and after each turn, [turns, ...]; the region that reads them is given these.
    last: the state after the last turn.

    They are in a `room` that the next block of this state uses, too.
    """

    def __init__(self, parts: Sequence[Tensor], first: Tensor, turns: int, room: Room) -> None:
        self.room = room
        self.a, self.b = (x.expand(turns, *first.shape) for x in parts)
        states = scan(self.a.detach(), self.b.detach(), first, room)
        self.leaves = tuple(h.requires_grad_(torch.is_grad_enabled()) for h in (states[:-1], states[1:]))
        self.gives, self.last = self.leaves, states[-1].clone()

    def ends(self, carry: Tensor) -> Pairs:
        """What comes back from later turns goes through no other result."""
        return []

    def back(self, came: Came, carry: Tensor) -> tuple[Tensor, Pairs]:
        """What comes back to the first state, and to a and b, from `carry`, what came from later turns."""
        before, after = came
        g, first = scan_back(self.a.detach(), before, after, carry, self.room)
        pairs = [(self.b, g)]
        if self.a.requires_grad:
            products = self.room.rows("products", len(g), first, g.dtype)
            pairs.append((self.a, torch.mul(g, self.leaves[0].detach(), out=products)))
        return first, pairs


class Read:
    """What is read of states that are sums of outer products, by their decays, keys, values and queries.

    leaves: the state before the block. over: the axis of a state that the reading sums over. kept: the axis of size one that its
    result has, if any.
    """

    def __init__(self, parts: Sequence[Tensor], first: Tensor, turns: int, over: int, kept: int | None) -> None:
        self.leaves = (first.detach().requires_grad_(torch.is_grad_enabled()),)
        a, k, v, q = parts
        state = self.leaves[0]
        if over == -1:  # The state's columns are what is summed over: the same with the state transposed.
            k, v, state = v, k, state.mT
        lead, (n, m) = (turns, *first.shape[:-2]), state.shape[-2:]
        sizes = (lead, (*lead, n), (*lead, m), (*lead, n))
        a, k, v, q = (x.expand(size) for x, size in zip((a, k, v, q), sizes, strict=True))
        read, last = decayed_products(a, k, v, q, state)
        self.gives = (read if kept is None else read.unsqueeze(kept),)
        self.last = last.mT if over == -1 else last

    def ends(self, carry: Tensor) -> Pairs:
        """The state after the block is a result like others."""
        return [(self.last, carry)]

    def back(self, came: Came, carry: Tensor) -> tuple[Tensor, Pairs]:
        """All of it came by autograd."""
        (first,) = came
        return torch.zeros_like(self.leaves[0]) if first is None else first, []
