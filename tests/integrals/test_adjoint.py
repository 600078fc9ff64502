"""The adjoint equation: its gradients are those of backpropagation, its memory does not grow with the steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS, Solver
from tests.support.objective import objective

Maker = Callable[[str], Program]
# The velocity reads parameters, a value made of one outside, and the example; one end of the way is learned.
SPEC = """
data x: [2], y: [2] from moons()
net f(x: [2]) -> [2] {{
  param U: [8, 2] ~ normal(0, 0.5)
  param V: [8, 2] ~ normal(0, 1)
  param T: [] = 1.0
  param w: [2] ~ normal(0, 1)
  pull = tanh(w) * sum(x)
  l = 0
  integrate s in 0..T using {solver} {{
    repeat 2 shared {{ pull = 0.9 * pull }}
    dx/ds = U' @ tanh(V @ x + s) + pull
    dl/ds = {rate}
  }}
  return x + 0.1 * l
}}
train(steps = 10, batch = 16) {{ minimize sum((f(x) - 1)^2) }}
"""
ADJOINT = [solver for solver in SOLVERS.values() if "adjoint" in solver.options]
STEPS = {1: 400, 2: 80, 3: 40, 4: 10}  # By order: the adjoint is as exact as the steps are fine.


def call(solver: Solver, adjoint: str = "") -> str:
    return f"{solver.name}({'rtol = 3e-6, atol = 3e-6' if solver.adaptive else STEPS[solver.order]}{adjoint})"


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["sum(x^2)", "1"])
@pytest.mark.parametrize("solver", ADJOINT, ids=lambda s: s.name)
def test_gradients_are_those_of_backpropagation(solver: Solver, rate: str, program: Maker) -> None:
    loss, parameters = objective(program(SPEC.format(solver=call(solver), rate=rate)), adjoint=False)
    wanted = torch.autograd.grad(loss, parameters)
    text = SPEC.format(solver=call(solver, ", adjoint = true"), rate=rate)
    again, parameters = objective(program(text), adjoint=True)
    torch.testing.assert_close(again, loss)
    for gradient, exact in zip(torch.autograd.grad(again, parameters), wanted, strict=True):
        assert (gradient - exact).norm() < (1e-2 if solver.order == 1 else 1e-3) * exact.norm()


def kept_bytes(program: Program, *, adjoint: bool) -> int:
    """What the forward pass keeps for the backward one."""
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss, _ = objective(program, adjoint=adjoint)
    assert loss.requires_grad
    return sum(seen.values())


def test_what_is_kept_does_not_grow_with_the_steps(program: Maker) -> None:
    few, many = (program(SPEC.format(solver=f"rk4({n}, adjoint = true)", rate="1")) for n in (40, 400))
    assert kept_bytes(many, adjoint=True) == kept_bytes(few, adjoint=True)
    assert kept_bytes(many, adjoint=False) > 8 * kept_bytes(few, adjoint=False)


def test_a_way_of_no_length_changes_nothing(program: Maker) -> None:
    text = SPEC.format(solver="dopri5(adjoint = true)", rate="1").replace("0..T", "1..T")
    loss, (u, *_) = objective(program(text), adjoint=True)
    (gradient,) = torch.autograd.grad(loss, [u])
    assert not gradient.any()


def test_a_derivative_is_not_taken_through_it(program: Maker) -> None:
    from mai.spec.diagnostics import MaiError

    text = SPEC.format(solver="rk4(4, adjoint = true)", rate="1").replace("(f(x) - 1)", "grad(sum(f(x)), x)")
    with pytest.raises(MaiError, match="adjoint"):
        objective(program(text), adjoint=True)
