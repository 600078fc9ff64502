"""The search, on qualities that are known: errors of methods on integrals with a closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.grid import Grid, Plan, Spared
from mai.compiler.solvers.tableaus import Tableau
from mai.compiler.tuning.learning import FINE, Learner
from mai.compiler.tuning.quality import metric_of, wasserstein
from mai.compiler.tuning.report import refusals
from mai.compiler.tuning.search import REUSES, Limits, Point, Search, frontier
from mai.compiler.tuning.subject import METHODS
from mai.spec.diagnostics import MaiError

CURRENT = Plan("rk4", 20)


def even(plan: Plan) -> Grid:
    """No grid but the one of even steps."""
    return Grid()


def quadrature(plan: Plan, power: int) -> float:
    """The integral of (power + 1) s^power over 0..1, which is 1, as each method has it on even steps."""
    n, f = plan.steps, lambda s: (power + 1) * s**power
    h, t = 1 / n, np.arange(n) / n
    rule = SOLVERS[plan.method].rule
    if isinstance(rule, Tableau):
        return float(h * sum(float(w) * f(t + float(c) * h).sum() for w, c in zip(rule.b, rule.c, strict=True)))
    past = {-1.0: 2 * f(0.0) - f(h), -2.0: 3 * f(0.0) - 2 * f(h)}
    at = {i: past[i] if i in past else f(i * h) for i in range(-2, n)}
    weights = {"ab2": (3 / 2, -1 / 2), "ab3": (23 / 12, -16 / 12, 5 / 12)}[plan.method]
    return float(h * sum(w * at[i - j] for i in range(n) for j, w in enumerate(weights)))


def search(power: int, factor: float) -> Search:
    """On even steps. Seeds differ in scale alone, so that the ratio to the reference is the same for all."""

    def measure(plan: Plan, seed: int) -> float:
        return (1 + seed) * (1 + abs(quadrature(plan, power) - 1)) if plan.grid.even else math.inf

    return Search(measure, CURRENT, METHODS, Limits(factor, 80, 2), even)


@pytest.mark.parametrize("power", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("factor", [1.0001, 1.02, 1.2])
def test_the_cheapest_is_found(power: int, factor: float) -> None:
    result = search(power, factor).run(CURRENT)
    every = [Plan(m, n) for m, n in itertools.product(METHODS, range(1, 81))]
    good = [p for p in every if p.evaluations <= 80 and abs(quadrature(p, power) - 1) <= (factor - 1) * (1 + 1e-9)]
    assert result.chosen is not None
    assert result.chosen.plan.evaluations == min(p.evaluations for p in good)


@pytest.mark.parametrize("spared", [0.3, 0.9])
def test_the_cheapest_that_reuses_is_found(spared: float) -> None:
    """Where a step in between is as good as a whole one, the plan that spares most at the number of steps that is needed."""

    def measure(plan: Plan, seed: int) -> float:
        return (1 + seed) * (1 + abs(quadrature(plan, 3) - 1)) if plan.grid.even else math.inf

    methods = ("euler", "heun", "ab2")  # The others have one step's integral of a cubic, or nearly.
    result = Search(measure, CURRENT, methods, Limits(1.02, 80, 2, spared=Spared(spared)), even).run(CURRENT)
    every = [
        Plan(m, n, Grid(), k, spared=Spared(spared))
        for m, n, k in itertools.product(methods, range(1, 81), (1, *REUSES))
        if n > k
    ]
    good = [p for p in every if abs(quadrature(p, 3) - 1) <= 0.02 * (1 + 1e-9)]
    assert result.chosen is not None and result.chosen.plan.reuse > 1
    assert result.chosen.plan.cost == min(p.cost for p in good)


def test_a_straight_field_takes_one_step_of_euler() -> None:
    chosen = search(0, 1.0).run(CURRENT).chosen
    assert chosen is not None and chosen.plan == Plan("euler", 1)


@pytest.mark.parametrize("lucky", [10, 79])
def test_luck_is_not_confirmed(lucky: int) -> None:
    """Plans that are good on the seeds of the search and bad on others are not chosen; if all are so, what is there stays."""

    def measure(plan: Plan, seed: int) -> float:
        return 2.0 if plan.evaluations < lucky and seed >= 2 else 1.0

    result = Search(measure, CURRENT, ("heun", "rk4"), Limits(1.02, 80, 2), even).run(CURRENT)
    chosen = result.chosen
    assert chosen is not None
    assert chosen.plan.evaluations == 10 if lucky == 10 else chosen.plan == CURRENT
    assert all(p.plan.evaluations < lucky and p.mean == 2 for p in result.refused)
    said = list(refusals(result))
    assert len(said) == len(result.refused) > 0
    cheapest = result.refused[0].plan
    assert said[0].startswith(f"not {cheapest}, {cheapest.evaluations} evaluations: 1.000 × in the search, 2.000 × on")


def test_the_frontier_is_what_no_cheaper_plan_is_as_good_as() -> None:
    quality = {1: 9.0, 2: 5.0, 3: 5.0, 4: 7.0, 5: 2.0, 6: 3.0}
    points = [Point(Plan("euler", n), (q,)) for n, q in quality.items()]
    assert [p.plan.steps for p in frontier(points[::-1])] == [1, 2, 5]
    assert frontier([]) == []


def test_a_grid_is_found_where_it_saves_evaluations() -> None:
    bent = Grid((0.5, 0, -0.2))

    def measure(plan: Plan, seed: int) -> float:
        good = plan.steps > 5 or (plan.steps >= 3 and plan.grid == bent)
        return 1.0 if good else 1.5

    chosen = Search(measure, CURRENT, ("heun",), Limits(1.02, 80, 1), lambda plan: bent).run(CURRENT).chosen
    assert chosen is not None and chosen.plan == Plan("heun", 3, bent)
    limits = Limits(1.02, 80, 1, warps=False)
    chosen = Search(measure, CURRENT, ("heun",), limits, lambda plan: bent).run(CURRENT).chosen
    assert chosen is not None and chosen.plan.steps == 6 and chosen.plan.grid.even


@pytest.mark.parametrize("matters", [(0.3, 0.5), (0.0, 0.75), (0.0, 1.0)])
def test_guidance_is_narrowed_to_where_it_matters(matters: tuple[float, float]) -> None:
    """By the evaluations of euler(10), at 0, 0.1, ..., 0.9: an interval that ends at no earlier one costs as much, and is not tried."""
    inner = [n / 10 for n in range(10) if matters[0] <= n / 10 <= matters[1]]

    def measure(plan: Plan, seed: int) -> float:
        return 1.0 if plan.steps >= 10 and all(plan.guided.holds(share) for share in inner) else 2.0

    limits = Limits(1.02, 10, 1, spared=Spared(guidance=0.5))
    chosen = Search(measure, Plan("euler", 10), ("euler",), limits, even).run(Plan("euler", 10)).chosen
    assert chosen is not None and chosen.plan.steps == 10
    inside = [n / 10 for n in range(10) if chosen.plan.guided.holds(n / 10)]
    assert chosen.plan.cost == 5 + len(inside) / 2 and set(inner) <= set(inside)
    assert (min(inside), max(inside)) == (inner[0], inner[-1])


def test_a_grid_is_learned_from_the_ends_of_a_fine_solution() -> None:
    """Of dx/ds = x^3, which bends at the end, by Heun's method: as near as the best of many grids of one number, or nearer."""

    def heun(plan: Plan) -> np.ndarray:
        x = np.linspace(0.1, 0.68, 12)
        for start, stop in itertools.pairwise(plan.grid.shares(400 if plan == FINE else plan.steps)):
            ahead = x + (stop - start) * x**3
            x = x + (stop - start) * (x**3 + ahead**3) / 2
        return x

    def error(grid: Grid) -> float:
        return float(np.linalg.norm(heun(Plan("heun", 7, grid)) - heun(FINE)))

    best = min(error(Grid((a, 0, 0))) for a in np.linspace(-2, 2, 41))
    assert error(Learner(heun)(Plan("heun", 7))) < 1.01 * best < 0.85 * error(Grid())
    assert Learner(heun)(Plan("heun", 1)) == Grid()


def test_every_plan_is_measured_once_and_told() -> None:
    seen: list[tuple[Plan, int]] = []
    plans: list[Plan] = []

    def measure(plan: Plan, seed: int) -> float:
        seen.append((plan, seed))
        return 1 + 1 / plan.evaluations

    limits = Limits(1.5, 12, 2)
    Search(measure, CURRENT, METHODS, limits, even, lambda p, _: plans.append(p.plan)).run(CURRENT)
    searched = [s for s in seen if s[1] < 2]
    assert len(searched) == len(set(searched))
    assert len(plans) == len(set(plans))
    assert {p for p, _ in searched} == set(plans)
    assert all(p.evaluations <= 12 for p in plans if p != CURRENT)


def test_a_quality_below_zero_is_worse_upward() -> None:
    limits, reference = Limits(1.1, 10, 1), Point(CURRENT, (-2.0,))
    assert limits.fulfils(Point(CURRENT, (-1.85,)), reference)
    assert not limits.fulfils(Point(CURRENT, (-1.75,)), reference)


def test_the_spread_is_of_paired_ratios() -> None:
    reference = Point(CURRENT, (1.0, 10.0, 100.0))
    assert Point(CURRENT, (1.1, 11.0, 110.0)).spread(reference) < 1e-12
    assert abs(Point(CURRENT, (1.0, 11.0, 120.0)).spread(reference) - 0.1) < 1e-12


def test_w2_of_points_on_a_line_is_that_of_sorted_ones() -> None:
    g = np.random.default_rng(0)
    x, y = g.standard_normal((50, 1)), 2 + 3 * g.standard_normal((50, 1))
    wanted = math.sqrt(float(np.mean((np.sort(x[:, 0]) - np.sort(y[:, 0])) ** 2)))
    assert abs(wasserstein(x, y) - wanted) < 1e-9
    cloud = g.standard_normal((40, 3, 2))
    assert abs(wasserstein(cloud, cloud + 0.5) - math.sqrt(6 * 0.25)) < 1e-9
    assert wasserstein(np.full((3, 2), np.nan), np.zeros((3, 2))) == math.inf


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("w2", "write W2"),
        ("no_such_module_of_mine:f", "ModuleNotFoundError"),
        ("math:no_such", "AttributeError"),
        ("math:pi", "is no function"),
    ],
)
def test_a_metric_that_is_none_is_told(name: str, said: str) -> None:
    with pytest.raises(MaiError) as caught:
        metric_of(name)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "tune-metric" and said in diagnostic.message


def test_a_metric_that_fails_is_told() -> None:
    for name, said in (("math:sqrt", "TypeError"), ("builtins:zip", "failed")):
        with pytest.raises(MaiError) as caught:
            metric_of(name)(np.zeros((2, 2)), np.zeros((2, 2)))
        assert said in caught.value.diagnostics[0].message
