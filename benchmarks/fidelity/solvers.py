"""Differential equations: orders, tolerances, evaluations, noise, the adjoint."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torchdiffeq
from scipy.integrate import solve_ivp

from benchmarks.fidelity.claim import Array, Claim, compiled, program_of, slope
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.solvers import SOLVERS
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run

HAIRER = "Hairer, Nørsett, Wanner 1993, II"
# Large steps: errors stay well above what single precision can tell.
STEPS = {1: (64, 128, 256), 2: (32, 64, 128), 3: (32, 64, 128), 4: (6, 12, 24)}
FIXED = """
export f(x: [2], steps: int = 8) -> [2] {{
  integrate s in 0..3 using {solver}(steps) {{ dx/ds = concat([x[1]], [-sin(x[0])]) + cos(s) }}
  return x
}}
"""
ADAPTIVE = """
export f(x: [2]) -> [2] {{
  integrate s in 0..{length} using dopri5(rtol = {tolerance}, atol = {tolerance}) {{ dx/ds = {field} }}
  return x
}}
"""
NOISE = """
export f(steps: int = 8) -> [] {
  x = 2
  integrate s in 0..1 using euler_maruyama(steps) { dx = -x * ds + 0.5 * dW }
  return x
}
"""
TOLERANCE = 1e-4
Velocity = Callable[[Any, Array], Array]
SYSTEMS: dict[str, tuple[str, Velocity, float]] = {
    "linear system": (
        "concat([-x[0] + 2 * x[1]], [-2 * x[0] - x[1]])", lambda t, x: np.array([-x[0] + 2 * x[1], -2 * x[0] - x[1]]), 3
    ),
    "oscillator": ("concat([x[1]], [-x[0]])", lambda t, x: np.array([x[1], -x[0]]), 6),
    "van der Pol, μ = 5": (
        "concat([x[1]], [5 * (1 - x[0]^2) * x[1] - x[0]])",
        lambda t, x: np.array([x[1], 5 * (1 - x[0] ** 2) * x[1] - x[0]]), 10,
    ),
}  # fmt: skip
STARTS = np.array([[1.0, 0.5], [2.0, 0.0], [0.3, -1.0]], np.float32)


def claims() -> Iterator[Claim]:
    yield from _orders()
    yield from _tolerances()
    yield from _noise()
    yield from _adjoint()


def _in_torch(program: Program) -> Callable[..., Array]:
    graph = forms.prepare(program.exports["f"])
    module = lower(graph, Weights({}))
    return lambda x, steps: run(module, graph, {"x": x}, {"steps": steps})[0]


def _exact(velocity: Velocity, length: float, x: Array) -> Array:
    return np.stack([solve_ivp(velocity, (0, length), row, "DOP853", rtol=1e-12, atol=1e-12).y[:, -1] for row in x])


def _orders() -> Iterator[Claim]:
    """Slopes of the error in the number of steps, on a driven pendulum."""
    exact = _exact(lambda t, x: np.array([x[1], -np.sin(x[0])]) + np.cos(t), 3, STARTS)
    for solver in SOLVERS.values():
        if solver.adaptive or solver.stochastic:
            continue
        program = program_of(FIXED.format(solver=solver.name))
        orders = []
        for solve in (_in_torch(program), compiled(program, "f")):
            errors = [float(np.abs(solve(x=STARTS, steps=n) - exact).max()) for n in STEPS[solver.order]]
            orders.append(-slope(STEPS[solver.order], errors))
        holds = all(abs(p - solver.order) < 0.15 for p in orders)
        measured = f"{orders[0]:.2f} in torch, {orders[1]:.2f} in ONNX"
        yield Claim(
            f"`{solver.name}`", "the error falls as steps^-p", f"p = {solver.order} ± 0.15", measured, holds, HAIRER
        )


def _tolerances() -> Iterator[Claim]:
    for name, (field, velocity, length) in SYSTEMS.items():
        model = compiled(program_of(ADAPTIVE.format(field=field, length=length, tolerance=TOLERANCE)), "f")
        exact = _exact(velocity, length, STARTS)
        error = max(float(np.abs(model(x=row[None])[0] - z).max()) for row, z in zip(STARTS, exact, strict=True))
        system = f"`dopri5`, {name}"
        yield Claim(
            system, f"the error at rtol = atol = {TOLERANCE:g}", f"≤ 10 atol = {10 * TOLERANCE:g}", f"{error:.1e}",
            error <= 10 * TOLERANCE, "Dormand, Prince 1980",
        )  # fmt: skip
        shares = [_evaluations(model, row) / _rival(velocity, length, row) for row in STARTS]
        ratios = ", ".join(f"{s:.2f} ×" for s in shares)
        yield Claim(system, "evaluations at batch 1 against torchdiffeq's", "≤ 1.1 ×", ratios, max(shares) <= 1.1)


def _evaluations(model: Any, x: Array) -> int:
    return int(model.counted(x=x[None])[1][0])


def _rival(velocity: Velocity, length: float, x: Array) -> int:
    calls = []

    def counted(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        calls.append(t)
        return torch.from_numpy(velocity(float(t), y.numpy()))

    span = torch.tensor([0.0, length])
    torchdiffeq.odeint(counted, torch.from_numpy(x), span, rtol=TOLERANCE, atol=TOLERANCE, method="dopri5")
    return len(calls)


def _noise() -> Iterator[Claim]:
    """An Ornstein-Uhlenbeck process from 2: mean 2 / e, variance (1 - e^-2) / 8."""
    model, steps = compiled(program_of(NOISE), "f"), (4, 8, 16)
    moments = [_moments(model, n) for n in steps]
    for i, (what, exact) in enumerate([("mean", 2 / np.e), ("variance", (1 - np.exp(-2)) / 8)]):
        order = -slope(steps, [abs(m[i] - exact) for m in moments])
        yield Claim(
            "`euler_maruyama`", f"weak order: the error of an Ornstein–Uhlenbeck process's {what}", "1 ± 0.25",
            f"{order:.2f}", abs(order - 1) < 0.25, "Kloeden, Platen 1992",
        )  # fmt: skip


def _moments(model: Any, steps: int, batch: int = 500_000, batches: int = 8) -> tuple[float, float]:
    ends = np.concatenate([model(batch=batch, seed=s, steps=steps) for s in range(batches)]).astype(np.float64)
    return float(ends.mean()), float(ends.var())


# ---------------------------------------------------------------------- adjoint

NET = """
data x: [2], y: [2] from moons()
net f(x: [2]) -> [2] {{
  param U: [64, 2] ~ normal(0, 0.3)
  param V: [64, 2] ~ normal(0, 1)
  integrate s in 0..1 using rk4({steps}{adjoint}) {{ dx/ds = U' @ tanh(V @ x + s) }}
  return x
}}
train(steps = 1, batch = 4096) {{ minimize sum((f(x) - 1)^2) }}
"""


def gradients(steps: int, adjoint: bool, batch: int) -> list[torch.Tensor]:
    program = program_of(NET.format(steps=steps, adjoint=", adjoint = true" if adjoint else ""))
    assert program.training is not None
    graph = forms.select(forms.prepare(program.training.graph, adjoint=True), [0])
    weights = Weights(program.weights).initialise(0)
    x = torch.randn(batch, 2, generator=torch.Generator().manual_seed(0))
    inputs = [x] * len(graph.inputs) + [torch.tensor(0)] * len(graph.settings)
    loss = lower(graph, weights).forward(*inputs)[0].mean()
    return list(torch.autograd.grad(loss, list(weights.parameters())))


# Linux counts the peak anew when it is told to, and the allocator gives back what is freed if it takes large blocks one by one.
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16)}
MEMORY = """
from pathlib import Path
from benchmarks.fidelity.solvers import gradients
def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
gradients({steps}, {adjoint}, 256)
Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS")
gradients({steps}, {adjoint}, 40_000)
print((kilobytes("VmHWM") - before) / 1024)
"""


def _peak(steps: int, adjoint: bool) -> float:
    """MiB that one gradient takes at its peak, in a process of its own."""
    script = MEMORY.format(steps=steps, adjoint=adjoint)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **GIVING_BACK}
    )
    return float(done.stdout.split()[-1])


def _adjoint() -> Iterator[Claim]:
    few, many, plain = _peak(40, True), _peak(400, True), _peak(40, False)
    memory = f"{few:.0f} and {many:.0f} MiB (by backpropagation {plain:.0f} MiB at 40)"
    yield Claim(
        "adjoint", "peak memory at 40 and at 400 steps", "within 10 %", memory, abs(many - few) <= 0.1 * few,
        "Chen et al. 2018",
    )  # fmt: skip
    pairs = zip(gradients(40, True, 4096), gradients(40, False, 4096), strict=True)
    worst = max(float((a - b).norm() / b.norm()) for a, b in pairs)
    yield Claim(
        "adjoint", "gradients against backpropagation, 40 steps of rk4", "within 1e-3", f"{worst:.0e}", worst < 1e-3
    )
