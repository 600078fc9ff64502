"""Where an integral's steps lie in time, and what is chosen of it altogether: method, number of steps, grid."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ops import elementwise as el
from mai.compiler.solvers.tableaus import SOLVERS, Adams, Tableau


@dataclass(frozen=True, slots=True)
class Grid:
    """s = g(u) from [0, 1] onto itself: g(u) = u + skew u (u - 1) - ends sin(2 pi u) / (2 pi).

    Steps that are even in u are as long in s as g'(u) = 1 + skew (2 u - 1) - ends cos(2 pi u): with `skew` > 0 they are short
    at the start, with `skew` < 0 at the end, with `ends` > 0 at both. |skew| + |ends| < 1, so that time moves on everywhere.
    A straight flow, whose velocity along a path is one, stays exact under `skew` by every method of order two or more, and
    under `ends` by every Runge-Kutta method that takes two steps or more: they integrate g' exactly.
    """

    skew: float = 0.0
    ends: float = 0.0

    def __post_init__(self) -> None:
        assert abs(self.skew) + abs(self.ends) < 1, "time would stand still or run backward"

    @property
    def even(self) -> bool:
        """Whether all steps have the same length."""
        return not (self.skew or self.ends)

    def at(self, builder: Builder, u: Value) -> Value:
        """g(u), as code."""
        square = builder.emit(el.Multiply, u, builder.emit(el.Subtract, u, builder.constant(1.0)))
        wave = builder.emit(el.Sin, builder.emit(el.Multiply, u, builder.constant(2 * math.pi)))
        bent = builder.emit(el.Multiply, square, builder.constant(float(self.skew)))
        bent = builder.emit(el.Add, u, bent)
        return builder.emit(
            el.Subtract, bent, builder.emit(el.Multiply, wave, builder.constant(self.ends / (2 * math.pi)))
        )

    def rate(self, builder: Builder, u: Value) -> Value:
        """g'(u), as code."""
        slope = builder.emit(el.Multiply, u, builder.constant(2.0 * self.skew))
        slope = builder.emit(el.Add, slope, builder.constant(1.0 - self.skew))
        wave = builder.emit(el.Cos, builder.emit(el.Multiply, u, builder.constant(2 * math.pi)))
        return builder.emit(el.Subtract, slope, builder.emit(el.Multiply, wave, builder.constant(float(self.ends))))


@dataclass(frozen=True, slots=True)
class Plan:
    """How an integral is computed by steps of a number that is known before.

    Attributes:
        reuse: what is `reusable` in the velocity is computed at every so many-th step.
        spared: the share of the velocity's multiply-adds that the steps in between spare.
    """

    method: str
    steps: int
    grid: Grid = Grid()
    reuse: int = 1
    spared: float = field(default=0.0, compare=False)

    @property
    def evaluations(self) -> int:
        """How often the velocity is computed for one example, wholly or in part."""
        rule = SOLVERS[self.method].rule
        if isinstance(rule, Adams):
            return self.steps + 2  # One a step, and the two that its past before the first step is made of.
        assert isinstance(rule, Tableau), "only methods without noise have plans, and steps of one length"
        return len(rule.b) * self.steps

    @property
    def cost(self) -> float:
        """How many whole evaluations have as many multiply-adds."""
        between = self.steps - math.ceil(self.steps / self.reuse)
        stages = self.evaluations // self.steps if isinstance(SOLVERS[self.method].rule, Tableau) else 1
        return self.evaluations - self.spared * stages * between

    def __str__(self) -> str:
        warped = "" if self.grid.even else f", skew {self.grid.skew:+.2g}, ends {self.grid.ends:+.2g}"
        reuse = "" if self.reuse == 1 else f", reuse {self.reuse}"
        return f"{self.method}({self.steps}{warped}{reuse})"
