"""The search of `mai tune`: the cheapest plan within a factor of a quality, over methods, steps, grids, reuse and guidance.

All plans are measured on the same seeds, so on the same draws and the same data: two of them differ by nothing else. The
cheapest of many noisy measurements looks better than it is, so the choice is confirmed on seeds that chose nothing.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from mai.compiler.solvers.grid import Grid, Interval, Plan, Spared


class OnPoint(Protocol):
    """Is called with every plan as it is measured, and with the reference on the same seeds."""

    def __call__(self, point: Point, reference: Point, /) -> None:
        """Take note of a measured plan."""


Measure = Callable[[Plan, int], float]  # The quality of a plan on a seed.
Learn = Callable[[Plan], Grid]  # A good grid for a plan's method and number of steps.
FEW, GROWTH = 6, 1.5  # All numbers of steps up to FEW are tried, then each GROWTH times the one before.
REUSES = (2, 3, 4)  # At every so many-th step, what is reusable is computed.
HOPELESS = 2.0  # A plan this many times worse than what is allowed is not mended by another grid.
STARTS, STOPS = (0.1, 0.2, 0.3, 0.4, 0.5), (0.9, 0.8, 0.7, 0.6, 0.5)  # Of guidance, as shares of the way.
MAX_CONFIRMED = 12


@dataclass(frozen=True, slots=True)
class Point:
    """A plan with its quality on each seed; lower is better."""

    plan: Plan
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean quality over the seeds."""
        return statistics.fmean(self.values)

    def spread(self, reference: Point) -> float:
        """The standard deviation, over seeds, of the ratio of the quality to the reference's on the same seed."""
        ratios = [a / b if b else float(a != b) for a, b in zip(self.values, reference.values, strict=True)]
        return statistics.stdev(ratios) if len(ratios) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a search.

    Attributes:
        factor: how many times worse than the reference's the quality may be.
        most: the largest number of evaluations.
        seeds: how many seeds each plan is measured on.
        warps: whether grids of uneven steps may be tried.
        spared: what evaluations spare that reuse, or leave guidance out.
    """

    factor: float
    most: int
    seeds: int
    warps: bool = True
    spared: Spared = field(default_factory=Spared)

    def fulfils(self, point: Point, reference: Point) -> bool:
        """Whether a quality is within the factor of the reference's; for a negative one, the loss is a share of its size."""
        return point.mean <= reference.mean + (self.factor - 1) * abs(reference.mean)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search measured and chose.

    Attributes:
        curve: every plan that was measured, those of even steps first, on the seeds of the search.
        searched: the reference on these seeds.
        reference: the reference on the seeds that confirm.
        chosen: the plan that was confirmed, on the seeds that confirm; None where none was within the factor.
        refused: cheaper plans that were within the factor in the search and not on the seeds that confirm, measured on these.
    """

    curve: list[Point]
    searched: Point
    reference: Point
    chosen: Point | None
    refused: Sequence[Point] = ()


def frontier(points: Sequence[Point]) -> list[Point]:
    """The plans that no cheaper one is as good as, the cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.plan.cost, p.mean)):
        if not best or point.mean < best[-1].mean:
            best.append(point)
    return best


def confirming_seeds(seeds: int) -> range:
    """The seeds that confirm a choice: twice as many as made it, and none of these."""
    return range(seeds, 3 * seeds)


class Search:
    """One search.

    Args:
        measure: the quality of a plan on a seed.
        reference: the plan whose quality is the standard.
        methods: the solvers to try.
        learn: the grid to try for a plan of even steps.
        on_point: is called with every plan as it is measured.
    """

    def __init__(
        self, measure: Measure, reference: Plan, methods: Sequence[str], limits: Limits, learn: Learn,
        on_point: OnPoint = lambda point, reference: None,
    ) -> None:  # fmt: skip
        self.measure, self.methods, self.limits, self.on_point = measure, methods, limits, on_point
        self.learn = learn
        self.points: dict[Plan, Point] = {}
        self.reference = self._measure_on(reference, range(limits.seeds))
        self.confirming = confirming_seeds(limits.seeds)

    def run(self, current: Plan) -> SearchResult:
        """Search for the cheapest plan that is confirmed; `current`, the file's own, is among those that are tried."""
        self._point(current)
        for method in self.methods:
            for steps in _ladder(method, self.limits.most):
                self._point(Plan(method, steps))
            self._close_gap(method)
        even = list(self.points.values())
        if self.limits.warps:
            for method in self.methods:
                self._bend(method)
        if self.limits.spared.reuse:
            for method, every in itertools.product(self.methods, REUSES):
                self._reuse(method, every)
        if self.limits.spared.guidance:
            self._narrow_guidance()
        warped = [p for p in self.points.values() if p not in even]
        reference, *tried = self._confirm(current)
        confirmed = bool(tried) and self.limits.fulfils(tried[-1], reference)
        chosen, refused = (tried[-1], tried[:-1]) if confirmed else (None, tried)
        return SearchResult(even + warped, self.reference, reference, chosen, refused)

    def _measure_on(self, plan: Plan, seeds: Sequence[int]) -> Point:
        return Point(plan, tuple(self.measure(plan, seed) for seed in seeds))

    def _point(self, plan: Plan) -> Point:
        """A plan on the seeds of the search, measured if it was not yet."""
        if plan not in self.points:
            is_reference = plan == self.reference.plan
            point = self.reference if is_reference else self._measure_on(plan, range(self.limits.seeds))
            self.points[plan] = point
            self.on_point(point, self.reference)
        return self.points[plan]

    def _passing(self) -> list[Point]:
        """The plans within the factor and the number of evaluations, the cheapest first; of equal cost, the better first."""
        allowed = [p for p in self.points.values() if p.plan.cost <= self.limits.most]
        passing = [p for p in allowed if self.limits.fulfils(p, self.reference)]
        return sorted(passing, key=lambda p: (p.plan.cost, p.mean))

    def _close_gap(self, method: str) -> None:
        """Bisect the numbers of steps between the first that is good enough and the one below it."""
        tried = sorted((p for p in self.points.values() if p.plan.method == method and p.plan.grid.even), key=_steps)
        good = next((i for i, p in enumerate(tried) if self.limits.fulfils(p, self.reference)), None)
        if not good:
            return
        low, high = _steps(tried[good - 1]), _steps(tried[good])
        while high - low > 1:
            middle = (low + high) // 2
            fits = self.limits.fulfils(self._point(Plan(method, middle)), self.reference)
            low, high = (low, middle) if fits else (middle, high)

    def _bend(self, method: str) -> None:
        """Try learned grids with ever fewer steps, as long as one is good enough; the first is cheaper than all so far."""
        best = self._passing()
        most = math.ceil(best[0].plan.cost) - 1 if best else self.limits.most
        steps = max((n for n in range(1, self.limits.most + 1) if Plan(method, n).evaluations <= most), default=0)
        while steps > 0:
            even = self._point(Plan(method, steps))
            if not even.mean <= HOPELESS * self.limits.factor * abs(self.reference.mean):
                return
            bent = self._point(replace(even.plan, grid=self.learn(even.plan)))
            if not any(self.limits.fulfils(p, self.reference) for p in (bent, even)):
                return
            steps -= 1

    def _reuse(self, method: str, every: int) -> None:
        """Try ever fewer steps that reuse, on even steps or those of the best plan so far, as long as one is good enough.

        The first is cheaper than all so far.
        """
        best = self._passing()
        most, grid = (best[0].plan.cost, best[0].plan.grid) if best else (self.limits.most + 1, Grid())
        spared, counts = self.limits.spared, range(every + 1, 4 * self.limits.most + 1)
        plans = [Plan(method, n, grid, every, spared=spared) for n in counts]
        for plan in reversed([p for p in plans if p.cost < most]):
            tried = [self._point(p) for p in dict.fromkeys((replace(plan, grid=Grid()), plan))]
            if not any(self.limits.fulfils(p, self.reference) for p in tried):
                return

    def _narrow_guidance(self) -> None:
        """Try to end and to begin guidance ever nearer to the middle, in the best plan so far and the best that reuses nothing."""
        passing = [p.plan for p in self._passing()]
        for plan in dict.fromkeys([*passing[:1], *[p for p in passing if p.reuse == 1][:1]]):
            plan = replace(plan, spared=self.limits.spared)
            for stop in STOPS:
                plan, fits = self._guided(plan, Interval(plan.guided.start, stop))
                if not fits:
                    break
            for start in STARTS:
                plan, fits = self._guided(plan, Interval(start, plan.guided.stop))
                if not fits:
                    break

    def _guided(self, plan: Plan, guided: Interval) -> tuple[Plan, bool]:
        """A plan with guidance in a narrower interval where that is good enough, else itself; and whether to go on."""
        narrower = replace(plan, guided=guided)
        if narrower.cost >= plan.cost:
            return plan, True
        fits = self.limits.fulfils(self._point(narrower), self.reference)
        return (narrower if fits else plan), fits

    def _confirm(self, current: Plan) -> Iterator[Point]:
        """Measure the reference and the cheapest plans on the seeds that confirm, until one is within the factor.

        After the cheapest ones comes the file's own plan, where that was good enough in the search.
        """
        reference = self._measure_on(self.reference.plan, self.confirming)
        yield reference
        passing = self._passing()
        for point in [*passing[:MAX_CONFIRMED], *(p for p in passing[MAX_CONFIRMED:] if p.plan == current)]:
            again = reference if point.plan == reference.plan else self._measure_on(point.plan, self.confirming)
            yield again
            if self.limits.fulfils(again, reference):
                return


def _steps(point: Point) -> int:
    return point.plan.steps


def _ladder(method: str, most: int) -> Iterator[int]:
    """Numbers of steps, ever farther apart, that take at most `most` evaluations."""
    steps = 1
    while Plan(method, steps).evaluations <= most:
        yield steps
        steps = steps + 1 if steps < FEW else int(steps * GROWTH)
