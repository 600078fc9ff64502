"""Where an integral's steps lie in time, and what is chosen of it altogether: method, number of steps, grid, and what is spared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from mai.compiler.solvers.tableaus import SOLVERS, Adams, Tableau

Bends = tuple[float, float, float]  # The numbers of a grid: few, so that they can be learned from few samples.
BENDS = 3


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps whose lengths are in proportion to exp(p(u)), p(u) = a1 u + a2 u^2 + a3 u^3, u from -1 to 1 over the steps.

    Whatever the numbers `bends` = (a1, a2, a3) are, time moves on at each step. With a1 > 0 steps are short at the start, with
    a2 < 0 at both ends. All are 0 for steps of one length.
    """

    bends: Bends = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        assert all(map(math.isfinite, self.bends)), "a grid has finite numbers"

    @property
    def even(self) -> bool:
        """Whether all steps have the same length."""
        return not any(self.bends)

    def shares(self, steps: int) -> list[float]:
        """How much of the way is gone before each step and after the last: from 0 to 1."""
        middles = [(2 * i + 1) / steps - 1 for i in range(steps)]
        lengths = [math.exp(sum(a * u ** (k + 1) for k, a in enumerate(self.bends))) for u in middles]
        return [0.0, *(s / sum(lengths) for s in accumulate(lengths))]


@dataclass(frozen=True, slots=True)
class Interval:
    """The part of the way on which guidance is computed, as shares from 0 to 1; outside its weight is the one that needs one net."""

    start: float = 0.0
    stop: float = 1.0

    @property
    def whole(self) -> bool:
        """Whether guidance is computed everywhere."""
        return self.start <= 0 and self.stop >= 1

    def holds(self, share: float) -> bool:
        """Whether it has a place of the way."""
        return self.start <= share <= self.stop


@dataclass(frozen=True, slots=True)
class Spared:
    """The shares of a velocity's multiply-adds that are spared where less is computed.

    Attributes:
        reuse: where what is reusable is kept from the step before.
        guidance: where guidance is not computed.
        both: where both are so.
    """

    reuse: float = 0.0
    guidance: float = 0.0
    both: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How an integral is computed by steps of a number that is known before.

    Attributes:
        reuse: what is `reusable` in the velocity is computed at every so many-th step.
        guided: where guidance is computed.
        spared: what the evaluations spare that compute less.
    """

    method: str
    steps: int
    grid: Grid = Grid()
    reuse: int = 1
    guided: Interval = Interval()
    spared: Spared = field(default=Spared(), compare=False)

    @property
    def plain(self) -> bool:
        """Whether its steps have one length, and each computes everything."""
        return self.grid.even and self.reuse == 1 and self.guided.whole

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
        if self.reuse == 1 and self.guided.whole:
            return self.evaluations
        return sum(1 - self._spared_at(share, renews) for share, renews in self._places())

    def _places(self) -> Iterator[tuple[float, bool]]:
        """For each evaluation how much of the way is gone, and whether it computes what is reusable."""
        rule, shares = SOLVERS[self.method].rule, self.grid.shares(self.steps)
        if isinstance(rule, Adams):
            yield from ((share, True) for share in shares[:2])
        parts = [float(c) for c in rule.c] if isinstance(rule, Tableau) else [0.0]
        for turn, (start, stop) in enumerate(pairwise(shares)):
            yield from ((start + c * (stop - start), turn % self.reuse == 0) for c in parts)

    def _spared_at(self, share: float, renews: bool) -> float:
        """What an evaluation spares. One that computes what later ones reuse computes it for guidance, too, wherever it is."""
        if self.guided.holds(share):
            return 0.0 if renews else self.spared.reuse
        if renews:
            return self.spared.guidance if self.reuse == 1 else 0.0
        return self.spared.both

    def __str__(self) -> str:
        bends = ", ".join(f"{a:+.2g}" for a in self.grid.bends)
        uneven = "" if self.grid.even else f", grid {bends}"
        reuse = "" if self.reuse == 1 else f", reuse {self.reuse}"
        guided = "" if self.guided.whole else f", guided {self.guided.start:g} to {self.guided.stop:g}"
        return f"{self.method}({self.steps}{uneven}{reuse}{guided})"
