"""A solution of z = g(z) as autograd sees it: what comes back to it goes to g, by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from mai.compiler.torch.autograd_context import AutogradContext, differentiated_once

Solve = Callable[..., tuple[Tensor, ...]]


class _SolvedFor(AutogradContext):
    solve: Solve
    captured: tuple[Tensor | int, ...]


class _Implicit(torch.autograd.Function):
    """The solution; inputs: how its cotangent becomes that of g, what that reads from around it, the solution, g of it."""

    @staticmethod
    def forward(ctx: _SolvedFor, solve: Solve, captured: tuple[Tensor | int, ...], z: Tensor, y: Tensor) -> Tensor:
        ctx.solve, ctx.captured = solve, captured
        return z.clone()

    @staticmethod
    @differentiated_once
    def backward(ctx: _SolvedFor, cotangent: Tensor) -> tuple[None, None, None, Tensor]:
        (solved,) = ctx.solve(cotangent, *ctx.captured)
        return None, None, None, solved


@fx.wrap
def implicit(solve: Solve, z: Tensor, y: Tensor, captured: tuple[Tensor | int, ...]) -> Tensor:
    """z, a solution of z = g(z), where y is g(z); `solve(cotangent, *captured)` is what comes back to y."""
    solution: Tensor = _Implicit.apply(solve, captured, z, y)  # type: ignore[no-untyped-call]
    return solution
