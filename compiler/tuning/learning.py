"""Grids that are learned: the few numbers for which a few steps end nearest to where many small ones do, on the same draws.

Watson et al. 2022 and Sabour et al. 2024, "Align Your Steps", learn at what times a sampler takes its steps. Here the loss is the
mean squared distance of the ends. A `Grid` has three numbers, so the method of Nelder and Mead (1965) needs no derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mai.compiler.solvers.grid import Grid, Plan
from mai.runtime.arrays import Array

Ends = Callable[[Plan], Array]  # The samples of a plan, real numbers, the same draws for each plan.
FINE = Plan("rk4", 50)
STARTS = ((0.0, 0.0, 0.0), (-0.6, 0.0, 0.0), (0.0, 0.6, 0.0), (0.0, 0.0, -0.6))  # The grids that are compared first.
TRIALS = 40


class Learner:
    """Learns the grid of a plan's method and number of steps."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self._fine: Array | None = None

    def __call__(self, plan: Plan) -> Grid:
        """The grid whose steps end nearest to the fine solution; the even one where nothing is nearer."""
        from scipy.optimize import minimize

        if plan.steps == 1:
            return Grid()
        result = minimize(
            lambda bends: self._distance(replace(plan, grid=_grid(bends))), STARTS[0], method="Nelder-Mead",
            options={"maxfev": TRIALS, "initial_simplex": np.array(STARTS)},
        )  # fmt: skip
        return _grid(result.x)

    def _distance(self, plan: Plan) -> float:
        """How far a plan ends from the fine solution, root mean square; infinite where it ends at no number."""
        if self._fine is None:
            self._fine = self.ends(FINE)
        distance = float(np.sqrt(np.mean(np.square(np.asarray(self.ends(plan) - self._fine, np.float64)))))
        return distance if math.isfinite(distance) else math.inf


def _grid(bends: Array) -> Grid:
    first, second, third = (round(float(b), 3) for b in bends)
    return Grid((first, second, third))
