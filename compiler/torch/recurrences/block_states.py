"""What a block of turns does with one state: its way there, and its way back.

Either all states of the block are made (`scans.py`), and what comes back to them is g. Or only what is read of them is
(`decayed_products.py`), and the way back is autograd's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mai.compiler.torch.recurrences.decayed_products import decayed_products
from mai.compiler.torch.recurrences.scans import scan, scan_back
from mai.compiler.torch.recurrences.tape import Tape

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

    first: the state before them, which the next block puts another in.
    """

    def __init__(self, parts: Sequence[Tensor], first: Tensor, turns: int, tape: Tape) -> None:
        self.tape = tape
        self.a, b = (x.expand(turns, *first.shape) for x in parts)
        states = scan(self.a, b, first, tape)
        self.gives, self.first, self.last = (states[:-1], states[1:]), states[0], states[-1]

    def back(self, came: Came, carry: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What comes back to the first state, then what the code of the way back is given: g, and the states before each turn."""
        before, after = came
        g, first = scan_back(self.a, before, after, carry, self.tape)
        return first, [g, self.gives[0]]


class Read:
    """What is read of states that are sums of outer products, by their decays, keys, values and queries.

    over: the axis of a state that the reading sums over. kept: the axis of size one that its result has, if any.
    """

    def __init__(
        self, parts: Sequence[Tensor], first: Tensor, turns: int, tape: Tape, comes_back: bool,
        over: int, kept: int | None, fit: Sequence[Places],
    ) -> None:  # fmt: skip
        self.turns, self.tape, self.comes_back = turns, tape, comes_back
        self.over, self.kept, self.fit = over, kept, fit
        self.first = first.clone() if tape.keeps else first
        read, self.last = tape.compute(self._computed, self.first, *parts)
        self.gives = (read,)

    def _computed(self, *first_and_parts: Tensor) -> tuple[Tensor, Tensor]:
        """What is read, and the last state, from the first one and what it is computed of; their graph is kept for the way back."""
        with torch.set_grad_enabled(self.comes_back):
            self.leaves = [x.detach().requires_grad_(self.comes_back) for x in first_and_parts]
            state, *results = self.leaves
            a, k, v, q = (aligned(x, axes) for x, axes in zip(results, self.fit, strict=True))
            if self.over == -1:  # The state's columns are what is summed over: the same with the state transposed.
                k, v, state = v, k, state.mT
            lead, (n, m) = (self.turns, *state.shape[:-2]), state.shape[-2:]
            sizes = (lead, (*lead, n), (*lead, m), (*lead, n))
            a, k, v, q = (x.expand(size) for x, size in zip((a, k, v, q), sizes, strict=True))
            read, last = decayed_products(a, k, v, q, state)
            read, last = read if self.kept is None else read.unsqueeze(self.kept), last.mT if self.over == -1 else last
        self.ends = read, last
        return read.detach(), last.detach()

    def back(self, came: Came, carry: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What comes back to the first state, then what came to decays, keys, values and queries."""
        first, *parts = self.tape.compute(self._came_back, *came, carry)
        return first, parts

    def _came_back(self, *came: Tensor | None) -> tuple[Tensor, ...]:
        pairs = [(x, g.to(x.dtype)) for x, g in zip(self.ends, came, strict=True) if g is not None]
        return torch.autograd.grad([x for x, _ in pairs], self.leaves, [g for _, g in pairs], materialize_grads=True)
