"""Gradients of a differential equation by its adjoint equation (Pontryagin 1962; Chen et al. 2018, for (8)).

The solution is the loop's own, which keeps no step; what its end changes goes back in time with da/ds = -a df/dx, beside
the states, by torchdiffeq. So the memory does not depend on the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, fx

from mai.compiler.torch.autograd_context import AutogradContext, differentiated_once
from mai.spec.diagnostics import Diagnostic, MaiError

Field = Callable[..., tuple[Tensor, ...]]
Outer = Tensor | int  # What a region reads from around it: values, and sizes.


@dataclass(frozen=True, slots=True)
class Equation:
    """A velocity `field(time, *states, *outer)`, its `solution(start, stop, *steps, *states, *further)`, and how it goes back.

    `outer` and `further` are what they read from around them; `lead` is the number of axes that the field's time has, those
    of its first state; `method` is torchdiffeq's; `steps` are their number and the times between them, if there are such, and
    nothing where it controls its own.
    """

    field: torch.nn.Module
    solution: torch.nn.Module
    outer: tuple[Outer, ...]
    further: tuple[Outer, ...]
    lead: int
    method: str
    rtol: float
    atol: float
    steps: tuple[Tensor, ...]

    def velocity(self, time: Tensor, states: Sequence[Tensor], outer: Sequence[Outer]) -> tuple[Tensor, ...]:
        """The derivatives [lead..., ...] of the states at a time."""
        slopes: tuple[Tensor, ...] = self.field(time.expand(states[0].shape[: self.lead]), *states, *outer)
        return slopes

    def solve(self, start: Tensor, stop: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The states at the end, [lead..., ...] each."""
        ended: tuple[Tensor, ...] = self.solution(start, stop, *self.steps, *states, *self.further)
        return ended

    def back(
        self, dynamics: Field, start: Tensor, stop: Tensor, ended: tuple[Tensor, ...], judged: int
    ) -> list[Tensor]:
        """What has ended at `stop`, at `start`; the first `judged` parts decide an adaptive method's steps (Kidger et al. 2021)."""
        import torchdiffeq

        options: dict[str, Callable[..., Tensor]] = {
            "norm": lambda parts: max(p.square().mean().sqrt() for p in parts[:judged])
        }
        if self.steps:
            options = {"grid_constructor": lambda f, y, t: self.times_back(t)}
        span = torch.stack([stop, start])
        try:
            paths = torchdiffeq.odeint(
                dynamics, ended, span, rtol=self.rtol, atol=self.atol, method=self.method, options=options
            )
        except AssertionError as error:
            message = f"the adjoint equation could not be solved: {error}"
            help = "a smaller learning rate, a larger `rtol` and `atol`, or training without `adjoint`"
            raise MaiError([Diagnostic("not-arrived", None, message, help=help)]) from error
        return [path[-1] for path in paths]

    def times_back(self, bounds: Tensor) -> Tensor:
        """The times of the steps from the stop to the start, `bounds`."""
        count, *times = self.steps
        if times:
            return times[0].detach().flip(0).to(bounds)
        return torch.linspace(float(bounds[0]), float(bounds[-1]), int(count) + 1).to(bounds)


class _Solved(AutogradContext):
    equation: Equation
    count: int


class _Adjoint(torch.autograd.Function):
    """The end of an equation; inputs: start, stop, the states, what the field reads from around it, its parameters."""

    @staticmethod
    def forward(
        ctx: _Solved, equation: Equation, count: int, start: Tensor, stop: Tensor, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ended = equation.solve(start, stop, tensors[:count])
        ctx.equation, ctx.count = equation, count
        ctx.save_for_backward(start, stop, *tensors[:count], *ended[:count])
        ctx.mark_non_differentiable(*ended[count:])
        return ended

    @staticmethod
    @differentiated_once
    def backward(ctx: _Solved, *grads: Tensor) -> tuple[Tensor | None, ...]:
        equation, count, saved = ctx.equation, ctx.count, ctx.saved_tensors
        (start, stop), first, ended = saved[:2], saved[2 : 2 + count], saved[2 + count :]
        wanted = ctx.needs_input_grad[4 + count :]
        outer = [o.detach().requires_grad_() if _moves(o) else o for o in equation.outer]
        read = [*filter(_moves, outer), *equation.field.parameters()]
        sources = [t for t, needed in zip(read, wanted, strict=True) if needed]

        def dynamics(time: Tensor, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            states, adjoints = parts[:count], parts[count : 2 * count]
            with torch.enable_grad():
                states = tuple(x.detach().requires_grad_() for x in states)
                moved = equation.velocity(time, states, outer)
                back = _products(moved, [-a for a in adjoints], [*states, *sources])
            return *(f.detach() for f in moved), *back

        if bool(start == stop):
            back = [*first, *grads[:count], *map(torch.zeros_like, sources)]
        else:
            last = (*ended, *grads[:count], *map(torch.zeros_like, sources))
            back = equation.back(dynamics, start, stop, last, 2 * count)
        adjoints, sums = back[count : 2 * count], iter(back[2 * count :])
        at_start = -_moved(equation, start, first, adjoints, outer) if ctx.needs_input_grad[2] else None
        at_stop = _moved(equation, stop, ended, grads[:count], outer) if ctx.needs_input_grad[3] else None
        return None, None, at_start, at_stop, *adjoints, *(next(sums) if needed else None for needed in wanted)


def _products(results: Sequence[Tensor], cotangents: Sequence[Tensor], sources: Sequence[Tensor]) -> list[Tensor]:
    """The vector-Jacobian products with respect to every source."""
    pairs = [(f, a) for f, a in zip(results, cotangents, strict=True) if f.requires_grad]
    if not pairs:
        return [torch.zeros_like(s) for s in sources]
    parts = torch.autograd.grad([f for f, _ in pairs], sources, [a for _, a in pairs], allow_unused=True)
    return [torch.zeros_like(s) if p is None else p for s, p in zip(sources, parts, strict=True)]


def _moved(
    equation: Equation, time: Tensor, states: Sequence[Tensor], adjoints: Sequence[Tensor], outer: Sequence[Outer]
) -> Tensor:
    """a . f: what moving an end of the way changes."""
    velocity = equation.velocity(time, states, [o.detach() if _moves(o) else o for o in outer])
    return sum(((a * f).sum() for a, f in zip(adjoints, velocity, strict=True)), torch.zeros_like(time))


def _moves(value: Outer) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.is_floating_point()


@fx.wrap
def adjoint(
    field: torch.nn.Module, solution: torch.nn.Module, inputs: tuple[Tensor, ...], outer: tuple[Outer, ...],
    further: tuple[Outer, ...], lead: int, method: str, rtol: float, atol: float, counts: int,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The last states of an equation, and what else its solution gives; its gradient by the adjoint equation.

    `inputs` are the start, the stop, `counts` that say the steps, and the states.
    """
    start, stop, *states = inputs
    steps, states = tuple(states[:counts]), states[counts:]
    equation = Equation(field, solution, outer, further, lead, method, rtol, atol, steps)
    read = [*filter(_moves, outer), *field.parameters()]
    ended: tuple[Tensor, ...] = _Adjoint.apply(equation, len(states), start, stop, *states, *read)  # type: ignore[no-untyped-call]
    return ended
