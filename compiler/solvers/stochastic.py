"""Steps of stochastic equations, dx = f dt + g dB: what draws noise, as code for one turn of a loop.

The increments of an equation are linear in its step and its noises, so that the derivative along a noise, in a direction v, is g v,
and that along the step is f h: what a method needs of either alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from math import sqrt

from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import product
from mai.compiler.ir.structure import Pushforward
from mai.compiler.ir.types import BATCH_DEPTH, Axis, join_leads
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.logic import Equal
from mai.compiler.ops.reductions import Sum
from mai.compiler.ops.shapes.indexing import Iota
from mai.compiler.ops.shapes.shape import Expand, Reshape, Unsqueeze
from mai.compiler.solvers.fixed import Steps
from mai.compiler.solvers.pace import Pace
from mai.compiler.solvers.problem import Problem, Slopes
from mai.compiler.solvers.tableaus import Additive, Milstein, Row, Rule, Tableau

NOW = Fraction(0)
INSIDE = (
    2.0**-40
)  # How much deeper an axis of directions is than those of the states: outside of all that a factor makes.


class NoisySteps(Steps):
    """Steps of an equation with noise, whose increments dB over a step have the variance |h|."""

    def __init__(self, problem: Problem, pace: Pace) -> None:
        super().__init__(problem, pace, [])
        self.length = pace.of_length(lambda h: h)
        self.size = pace.of_length(lambda h: self.builder.emit(el.Absolute, h))
        self.root = pace.of_length(self._root)

    @property
    def is_smooth(self) -> bool:
        return False

    def _root(self, h: Value) -> Value:
        return self.builder.emit(el.Sqrt, self.builder.emit(el.Absolute, h), name="root")

    def drawn(self, turn: Value) -> list[Value]:
        """Normal numbers of the variance |h|: those of each noise, and further ones of each."""
        root = self.root(turn)
        return [self.builder.emit(el.Multiply, z, root, name=z.name) for z in self.problem.draws(turn)]

    def increments(self, time: Value, states: list[Value], turn: Value, noises: Sequence[Value]) -> Slopes:
        """f h + g dB of every state."""
        return self.problem.velocity(time, states, turn, self.length(turn), *noises)

    def scaled_by(self, factor: float, value: Value) -> Value:
        """A value times a number."""
        return value if factor == 1 else self.builder.emit(el.Multiply, value, self.builder.constant(factor))

    def along(self, values: Sequence[Value], places: Sequence[Value], directions: Sequence[Value]) -> list[Value]:
        """The derivatives of values that were computed from `places`, along a direction of each."""
        derivatives = []
        for value in values:
            lead = join_leads([v.type for v in (value, *places, *directions)])
            operands = [value, *places, *directions]
            derivatives.append(
                self.builder.add(Pushforward(), operands, [value.type.with_lead(lead)], name="along").output
            )
        return derivatives


class Increments(NoisySteps):
    """y + sum_i b_i k_i, k_i the increment f h + g dB at y + sum_j a_ij k_j and time t + c_i h; all have one draw.

    One stage is Euler's and Maruyama's method. Two that are weighted alike are Heun's, whose limit is Stratonovich's integral.
    """

    def __init__(self, problem: Problem, pace: Pace, tableau: Tableau) -> None:
        super().__init__(problem, pace)
        self.tableau = tableau
        weights = {c for row in (*tableau.a, tableau.b) for c in row if c}
        self.weights = {c: self.builder.constant(float(c)) for c in sorted(weights)}

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        noises, stages = self.drawn(turn), list[Slopes]()
        for row, c in zip(self.tableau.a, self.tableau.c, strict=True):
            stages.append(self.increments(self.time(turn, c), self._at(states, row, stages), turn, noises))
        return self._at(states, self.tableau.b, stages), memory

    def _at(self, states: list[Value], row: Row, stages: list[Slopes]) -> list[Value]:
        return self.moved(states, row, stages, self.weights)


class MilsteinSteps(NoisySteps):
    """y + f h + g dB + 1/2 sum_jk (g_k' g_j) (dB_j dB_k - |h| [j = k]), g_k' the derivative of the factor of noise k.

    That is the second iterated integral where noises commute; else its antisymmetric part, Lévy's areas, is left out.
    """

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        noises = self.drawn(turn)
        moved = self.increments(self.time(turn, NOW), states, turn, noises)
        ends = self.added(states, moved)
        noise = self.problem.noise
        if noise.moving:
            own, places = noise.own, noise.moved
            here, driven = [states[i] for i in places], [moved[i] for i in places]
            size = self.size(turn)
            more = (
                self._all(here, driven, noises, size)
                if own is None
                else self._own(here, driven, [noises[own[i]] for i in places], size)
            )
            for i, part in zip(places, more, strict=True):
                (ends[i],) = self.added([ends[i]], [part])
        return ends, memory

    def _own(self, states: list[Value], moved: Slopes, noises: Sequence[Value], size: Value) -> list[Value]:
        """1/2 g' g (dB^2 - |h|), element by element, of states and their noises."""
        different = [*dict.fromkeys(noises)]
        factors = self.along(moved, different, [self._ones(v) for v in different])
        bent = self.along(factors, states, factors)
        return [
            self._half_of(slope, self._excess(v, y, size)) for slope, v, y in zip(bent, noises, states, strict=True)
        ]

    def _ones(self, like: Value) -> Value:
        one = self.builder.constant(1.0)
        return self.builder.emit(Expand, one, shape=like.type.shape) if like.type.rank else one

    def _half_of(self, slope: Value, excess: Value) -> Value:
        return self.builder.emit(el.Multiply, slope, self.scaled_by(0.5, excess))

    def _excess(self, noise: Value, state: Value, size: Value) -> Value:
        """dB^2 - |h| for the elements of a state: its own, or one number."""
        excess = self.builder.emit(el.Subtract, self.builder.emit(el.Multiply, noise, noise), size)
        return excess if noise.type.shape == state.type.shape else self.builder.emit(Reshape, excess, shape=())

    def _all(self, states: list[Value], moved: Slopes, noises: Sequence[Value], size: Value) -> list[Value]:
        """The correction of noises each of which may move all."""
        pushed = self.along(moved, noises, noises)
        total = self.along(pushed, states, pushed)
        for noise in noises:
            axis, units = self._directions(noise, states)
            factors = self.along(moved, [noise], [units])
            each = self.along(factors, states, factors)
            squares = [self.builder.emit(el.Multiply, self._summed(v, axis), size) for v in each]
            total = [self.builder.emit(el.Subtract, a, b) for a, b in zip(total, squares, strict=True)]
        return [self.scaled_by(0.5, v) for v in total]

    def _directions(self, noise: Value, states: Sequence[Value]) -> tuple[Axis, Value]:
        """A lead axis with a direction for each number of a noise."""
        shape = noise.type.shape
        count = product(shape)
        places = self.builder.emit(Iota, count=count)
        unit = self.builder.emit(Equal, self.builder.emit(Unsqueeze, places, axes=(-1,)), places)
        units = self.builder.emit(Reshape, self.builder.emit(el.ToReal, unit), shape=(count, *shape))
        depth = max((a.depth for y in states for a in y.type.lead), default=BATCH_DEPTH)
        axis = Axis("noise", count, depth + INSIDE)
        return axis, self.builder.lead(units, (axis,))

    def _summed(self, value: Value, axis: Axis) -> Value:
        """The sum over directions."""
        freed = self.builder.unlead(self.builder.spread(value, (axis,)), 1)
        return self.builder.emit(Sum, freed, axes=(-freed.type.rank,), keep=False)


class AdditiveSteps(NoisySteps):
    """Rößler's methods for noise whose factor reads no state; the second draw makes the integral of the noise over the step.

    I / h = (dB + z / sqrt(3)) / 2, z independent of dB and of its variance, has the variance h / 3 and the covariance h / 2 with dB.
    """

    def __init__(self, problem: Problem, pace: Pace, rule: Additive) -> None:
        super().__init__(problem, pace)
        self.rule = rule

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        rule, drawn = self.rule, self.drawn(turn)
        noises = drawn[: len(drawn) // 2]
        pairs = zip(noises, drawn[len(noises) :], strict=True)
        integrals = [self.scaled_by(0.5, self._sum(a, self.scaled_by(1 / sqrt(3), b))) for a, b in pairs]
        spread: list[Slopes] = [
            self._noise(turn, c, states, noises, integrals) if any(row[j] for row in rule.d) else []
            for j, c in enumerate(rule.e)
        ]
        drifts: list[Slopes] = []
        for a, d, c in zip(rule.a, rule.d, rule.c, strict=True):
            at = self._with(self._with(states, a, drifts), d, spread)
            drifts.append(self._drift(turn, c, at, noises))
        ends = self._with(states, rule.b, drifts)
        for p, q, c in zip(rule.p, rule.q, rule.e, strict=True):
            mixed = [self._mix(p, a, q, b) for a, b in zip(noises, integrals, strict=True)]
            ends = self.added(ends, self._noise(turn, c, states, noises, mixed)) if noises else ends
        return ends, memory

    def _sum(self, a: Value, b: Value) -> Value:
        return self.builder.emit(el.Add, a, b)

    def _mix(self, p: Fraction, a: Value, q: Fraction, b: Value) -> Value:
        """p a + q b, of which one at least is there."""
        parts = [self.scaled_by(float(c), v) for c, v in ((p, a), (q, b)) if c]
        return [*accumulate(parts, self._sum)][-1]

    def _with(self, states: list[Value], row: Row, slopes: list[Slopes]) -> list[Value]:
        for c, slope in zip(row, slopes, strict=False):
            if c and slope:
                states = self.added(states, [self.scaled_by(float(c), k) for k in slope])
        return states

    def _noise(
        self, turn: Value, c: Fraction, states: list[Value], noises: Sequence[Value], directions: Sequence[Value]
    ) -> Slopes:
        """g v at time t + c h, v in the place of each noise."""
        moved = self.increments(self.time(turn, c), states, turn, noises)
        return self.along(moved, noises, directions) if noises else []

    def _drift(self, turn: Value, c: Fraction, states: list[Value], noises: Sequence[Value]) -> Slopes:
        """f h at time t + c h, which itself depends on h: the derivative goes along a copy that is this step alone."""
        length = self.length(turn)
        step = self.builder.emit(el.Place, length, name="step")
        moved = self.problem.velocity(self.time(turn, c), states, turn, step, *noises)
        return self.along(moved, [step], [length])


def noisy_steps(rule: Rule, problem: Problem, pace: Pace) -> NoisySteps:
    """The steps of a solver that draws noise."""
    if isinstance(rule, Milstein):
        return MilsteinSteps(problem, pace)
    if isinstance(rule, Additive):
        return AdditiveSteps(problem, pace, rule)
    assert isinstance(rule, Tableau)
    return Increments(problem, pace, rule)
