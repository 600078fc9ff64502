"""Differential equations: one that a net solves, and solvers of others."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from benchmarks.twins.twin import Map, Twin, step
from mai.runtime.arrays import Array

# ----------------------------------------------------------------------- Burgers

VISCOSITY = 0.01 / np.pi


class Solution(nn.Module):
    """(1 - x^2) times a net of x and t (Raissi et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (2, 40, 40, 40, 40)
        layers = [part for n, m in pairwise(widths) for part in (nn.Linear(n, m), nn.Tanh())]
        self.net = nn.Sequential(*layers, nn.Linear(40, 1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        out: Tensor = (1 - x**2) * self.net(torch.stack([x, t], 1))[:, 0]
        return out


def slope(of: Tensor, at: Tensor) -> Tensor:
    """The derivative of each number by its place."""
    return torch.autograd.grad(of.sum(), at, create_graph=True)[0]


def burgers(steps: int = 20000) -> Map:
    torch.manual_seed(0)
    u = Solution()
    optimizer = torch.optim.Adam(u.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x, t = (2 * torch.rand(1024) - 1).requires_grad_(), torch.rand(1024).requires_grad_()
        v = u(x, t)
        vx = slope(v, x)
        residual = slope(v, t) + v * vx - VISCOSITY * slope(vx, x)
        begin = u(x, torch.zeros_like(t)) + torch.sin(torch.pi * x)
        step((residual**2 + 10 * begin**2).mean(), optimizer)
        schedule.step()

    def solution(x: Array, t: Array) -> Array:
        with torch.no_grad():
            out: Array = u(torch.from_numpy(x), torch.from_numpy(t)).numpy()
        return out

    return solution


def exact(x: Array, t: Array) -> Array:
    """The solution by Cole and Hopf's formula, its integrals by Gauss and Hermite's rule: [x, t]."""
    nodes, weights = np.polynomial.hermite.hermgauss(100)
    y = x[:, None, None] - np.sqrt(4 * VISCOSITY * t[:, None]) * nodes
    kernel = weights * np.exp(-(np.cos(np.pi * y) + 1) / (2 * np.pi * VISCOSITY))
    return -np.asarray((np.sin(np.pi * y) * kernel).sum(-1) / kernel.sum(-1))


def error_of_solution(solution: Map) -> float:
    """|u - exact| / |exact| on a grid of 256 places and 100 times, as the paper has it."""
    x, t = np.linspace(-1, 1, 256), np.linspace(0.01, 1, 100)
    places = np.meshgrid(x, t, indexing="ij")
    u = solution(x=places[0].ravel().astype(np.float32), t=places[1].ravel().astype(np.float32)).reshape(256, 100)
    wanted = exact(x, t)
    return float(np.linalg.norm(u - wanted) / np.linalg.norm(wanted))


# --------------------------------------------------------------------- pendulum

STARTS = np.array([[2, 0], [0.5, 1], [-1, 0.3], [2, 5]], np.float32)
HORIZONS = np.array([100, 300, 50, 200], np.float32)
THROWS = {"height": np.array([1, 20, 0.1, 3], np.float32), "speed": np.array([0, 5, -3, 30], np.float32)}


def stiff(tolerance: float) -> Map:
    """Van der Pol's equation by scipy's Radau."""

    def field(_: float, x: Array) -> list[float]:
        return [x[1], 200 * (1 - x[0] ** 2) * x[1] - x[0]]

    def solve(x0: Array, horizon: Array) -> Array:
        ends = [
            solve_ivp(field, (0, end), start, "Radau", rtol=tolerance, atol=tolerance / 100).y[:, -1]
            for start, end in zip(x0.astype(float), horizon.astype(float), strict=True)
        ]
        return np.stack(ends)

    return solve


def error_of_stiff(solve: Map) -> float:
    return float(np.abs(solve(x0=STARTS, horizon=HORIZONS) - stiff(1e-10)(x0=STARTS, horizon=HORIZONS)).max())


def falls() -> Map:
    """When a throw comes down, by scipy's RK45 and its events."""

    def landed(_: float, x: Array) -> float:
        return float(x[0])

    landed.terminal, landed.direction = True, -1  # type: ignore[attr-defined]

    def solve(height: Array, speed: Array) -> dict[str, Array]:
        ends = [
            solve_ivp(lambda _, x: [x[1], -9.81], (0, 100), start, rtol=1e-8, atol=1e-10, events=landed)
            for start in zip(height.astype(float), speed.astype(float), strict=True)
        ]
        return {"hit": np.array([end.t[-1] for end in ends]), "v": np.array([end.y[1, -1] for end in ends])}

    return solve


def error_of_falls(solve: Map) -> float:
    height, speed = (THROWS[name].astype(float) for name in ("height", "speed"))
    return float(np.abs(solve(**THROWS)["hit"] / ((speed + np.sqrt(speed**2 + 2 * 9.81 * height)) / 9.81) - 1).max())


DRAWS = 20000


def driven() -> Map:
    """Milstein's steps by hand; the noise of the speed depends on the place alone, so that its own correction is zero."""

    def solve(x0: Array, seed: int) -> Array:
        rng, (x, v) = np.random.default_rng(seed), x0.T.astype(float)
        for _ in range(200):
            noise = np.sqrt(1 / 200) * rng.standard_normal(len(x))
            x, v = x + v / 200, v + (-np.sin(x) - 0.1 * v) / 200 + 0.5 * x * noise
        return np.stack([x, v], 1)

    return solve


def spread_of_driven(solve: Map) -> float:
    """The standard deviation of the speed at the end, of pendulums that began at (1, 0)."""
    return float(solve(x0=np.tile(np.float32([1, 0]), (DRAWS, 1)), seed=1)[:, 1].std())


def by(make: Callable[..., Map], *words: float) -> Callable[[], Map]:
    return lambda: make(*words)


TWINS = (
    Twin("papers/burgers", "solution", "relative error beside Cole and Hopf's formula", burgers, error_of_solution,
         "6.7e-4 in the paper, by L-BFGS"),
    Twin("papers/pendulum", "van_der_pol", "largest error of a stiff equation, μ = 200, at a tolerance of 1e-6",
         by(stiff, 1e-6), error_of_stiff, "scipy's Radau at 1e-10"),
    Twin("papers/pendulum", "bounce", "largest relative error of the time of a fall", falls, error_of_falls, "its closed form"),
    Twin("papers/pendulum", "driven", "standard deviation of a driven pendulum's speed, 20,000 draws", driven,
         spread_of_driven, "each ± 0.5 %"),
)  # fmt: skip
