"""Which plan has the fewest evaluations within a factor of a quality: a search over methods, steps and grids.

All plans are measured on the same seeds, so on the same draws and the same data: what differs between two is the plan. The
cheapest of many that are measured with noise looks better than it is, so what is chosen is confirmed on seeds of its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mai.compiler.solvers.grid import Grid, Plan

Measure = Callable[[Plan, int], float]
FEW = 6  # Every number of steps up to it is tried, then each half as much again as the one before.
GROWTH = 1.5
# A plan this many times worse than what is allowed is not mended by another grid.
HOPELESS = 2.0
WARPS = tuple(
    Grid(skew, ends) for skew, ends in ((-0.3, 0), (-0.6, 0), (0.3, 0), (0.6, 0), (0, 0.3), (0, 0.6), (0, -0.3))
)
MOST_CONFIRMED = 12


@dataclass(frozen=True, slots=True)
class Point:
    """A plan with its quality on each seed, lower is better."""

    plan: Plan
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    def spread(self, reference: Point) -> float:
        """The deviation over seeds of the quality's ratio to the reference's, seed by seed."""
        ratios = [a / b if b else float(a != b) for a, b in zip(self.values, reference.values, strict=True)]
        return statistics.stdev(ratios) if len(ratios) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed: `factor` times the reference's quality, at most `most` evaluations; `warps` if grids may differ."""

    factor: float
    most: int
    seeds: int
    warps: bool = True

    def fulfils(self, point: Point, reference: Point) -> bool:
        """Whether a quality is within the factor: what it may lose is a share of its size, below zero too."""
        return point.mean <= reference.mean + (self.factor - 1) * abs(reference.mean)


@dataclass(frozen=True, slots=True)
class Found:
    """`curve` is every plan of even steps that was measured, then those of other grids, all beside `searched`, the reference
    on the same seeds; `chosen` and `reference` are on seeds of their own, and so are the cheaper plans that were within the
    factor in the search and `refused` there. `chosen` is None where nothing is within the factor.
    """

    curve: list[Point]
    searched: Point
    reference: Point
    chosen: Point | None
    refused: Sequence[Point] = ()


def frontier(points: Sequence[Point]) -> list[Point]:
    """The plans that no cheaper one is as good as, the cheapest first."""
    made: list[Point] = []
    for point in sorted(points, key=lambda p: (p.plan.evaluations, p.mean)):
        if not made or point.mean < made[-1].mean:
            made.append(point)
    return made


def confirming(seeds: int) -> range:
    """The seeds that confirm a choice: others than those that made it, and twice as many."""
    return range(seeds, 3 * seeds)


class Search:
    """One search; `told` hears of every plan as it is measured, with the reference on the same seeds."""

    def __init__(
        self, measure: Measure, reference: Plan, methods: Sequence[str], limits: Limits,
        told: Callable[[Point, Point], None] = lambda point, reference: None,
    ) -> None:  # fmt: skip
        self.measure, self.methods, self.limits, self.told = measure, methods, limits, told
        self.points: dict[Plan, Point] = {}
        self.reference = self._measured(reference, range(limits.seeds))
        self.confirming = confirming(limits.seeds)

    def run(self, current: Plan) -> Found:
        """The cheapest plan that is confirmed; `current` is the one that is there, and is among those tried."""
        self._at(current)
        for method in self.methods:
            for steps in _ladder(method, self.limits.most):
                self._at(Plan(method, steps))
            self._close_gap(method)
        even = list(self.points.values())
        if self.limits.warps:
            for method in self.methods:
                self._bend(method)
        warped = [p for p in self.points.values() if p not in even]
        reference, *tried = self._confirmed(current)
        held = bool(tried) and self.limits.fulfils(tried[-1], reference)
        chosen, refused = (tried[-1], tried[:-1]) if held else (None, tried)
        return Found(even + warped, self.reference, reference, chosen, refused)

    def _measured(self, plan: Plan, seeds: Sequence[int]) -> Point:
        return Point(plan, tuple(self.measure(plan, seed) for seed in seeds))

    def _at(self, plan: Plan) -> Point:
        if plan not in self.points:
            same = plan == self.reference.plan
            made = self.reference if same else self._measured(plan, range(self.limits.seeds))
            self.points[plan] = made
            self.told(made, self.reference)
        return self.points[plan]

    def _passing(self) -> list[Point]:
        """What is within the factor and allowed to cost as much, the cheapest first; of two of one price the better."""
        allowed = [p for p in self.points.values() if p.plan.evaluations <= self.limits.most]
        held = [p for p in allowed if self.limits.fulfils(p, self.reference)]
        return sorted(held, key=lambda p: (p.plan.evaluations, p.mean))

    def _close_gap(self, method: str) -> None:
        """Halve the numbers of steps between the first that is good enough and the one below it."""
        tried = sorted((p for p in self.points.values() if p.plan.method == method and p.plan.grid.even), key=_steps)
        good = next((i for i, p in enumerate(tried) if self.limits.fulfils(p, self.reference)), None)
        if not good:
            return
        low, high = _steps(tried[good - 1]), _steps(tried[good])
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.limits.fulfils(self._at(Plan(method, middle)), self.reference)
            low, high = (low, middle) if fits else (middle, high)

    def _bend(self, method: str) -> None:
        """Other grids with ever fewer steps, as long as one of them is good enough and cheaper than all before."""
        best = self._passing()
        most = best[0].plan.evaluations - 1 if best else self.limits.most
        steps = max((n for n in range(1, self.limits.most + 1) if Plan(method, n).evaluations <= most), default=0)
        while steps > 0:
            even = self._at(Plan(method, steps))
            if not even.mean <= HOPELESS * self.limits.factor * abs(self.reference.mean):
                return
            if not self._bent(even) and not self.limits.fulfils(even, self.reference):
                return
            steps -= 1

    def _bent(self, even: Point) -> bool:
        """Whether a grid of as many steps is good enough: the best of a few, and of those around it."""
        tried = [self._at(replace(even.plan, grid=grid)) for grid in WARPS]
        best = min(tried, key=lambda p: p.mean)
        if best.mean < even.mean and not self.limits.fulfils(best, self.reference):
            tried += [self._at(replace(even.plan, grid=grid)) for grid in _around(best.plan.grid)]
        return any(self.limits.fulfils(p, self.reference) for p in tried)

    def _confirmed(self, current: Plan) -> Iterator[Point]:
        """The reference and the cheapest plans on seeds that chose nothing, until one of them is within the factor.

        After the cheapest ones comes the plan that is there, where that was good enough.
        """
        reference = self._measured(self.reference.plan, self.confirming)
        yield reference
        passing = self._passing()
        for point in [*passing[:MOST_CONFIRMED], *(p for p in passing[MOST_CONFIRMED:] if p.plan == current)]:
            again = reference if point.plan == reference.plan else self._measured(point.plan, self.confirming)
            yield again
            if self.limits.fulfils(again, reference):
                return


def _steps(point: Point) -> int:
    return point.plan.steps


def _ladder(method: str, most: int) -> Iterator[int]:
    """Numbers of steps, ever farther apart, within a number of evaluations."""
    steps = 1
    while Plan(method, steps).evaluations <= most:
        yield steps
        steps = steps + 1 if steps < FEW else int(steps * GROWTH)


def _around(grid: Grid) -> list[Grid]:
    """Grids near one, and between it and the two kinds of bend."""
    moves = ((0.15, 0), (-0.15, 0), (0, 0.15), (0, -0.15))
    near = [(round(grid.skew + a, 4), round(grid.ends + b, 4)) for a, b in moves]
    return [Grid(a, b) for a, b in near if abs(a) + abs(b) < 1 and (a or b)]
