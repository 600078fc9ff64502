"""Steps of their own length for every example: an embedded Runge-Kutta pair in one loop that stops when all have arrived.

The integral goes over the share tau of the way, 0 to 1, whose velocity is the way's length times that of the time: so
both directions are one. What decides a step's length is held still by derivatives, as the steps of a fixed method are.
After Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, II.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import nan

from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.sizes import product
from mai.compiler.ir.structure import CONTROL, Loop, StepControl
from mai.compiler.ir.types import Axis, DType, Type, join_leads
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.shape import Expand
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.dense import Asked, beside, only, polynomial, within
from mai.compiler.solvers.problem import Problem, Slopes, combined
from mai.compiler.solvers.tableaus import Solver, Tableau
from mai.spec.record import record

SAFETY, SMALLEST, LARGEST = 0.9, 0.2, 10.0
FIRST = 1e-6  # A first step where the states or their velocities say nothing.
WORST = 1e10  # What stands for an error that is no number.


@record
class Control:
    """How large the error of a step may be, `atol` + `rtol` |y|, and how many steps there may be."""

    rtol: float
    atol: float
    max_steps: int


@dataclass(eq=False, slots=True)
class At:
    """Where every example is: whether it goes on, the share of the way, the next step's length, states and velocities.

    `rows` are the states that are asked for along the way, 0 where the way has not come yet.
    """

    going: Value
    tau: Value
    length: Value
    states: list[Value]
    slopes: Slopes
    evaluations: Value
    rows: list[Value]

    @property
    def values(self) -> list[Value]:
        """The states of the loop, in the order of its body."""
        control = [self.going, self.tau, self.length, self.evaluations]
        return [*control, *self.states, *self.slopes, *self.rows]

    def copy(self) -> At:
        """Values of the same types, for a loop's body to read."""
        names = ["going", "tau", "length", "evaluations"]
        names += [*(y.name for y in self.states), *("slope" for _ in self.slopes), *(y.name for y in self.rows)]
        return self.of([Value(v.type, name) for v, name in zip(self.values, names, strict=True)])

    def of(self, values: Sequence[Value]) -> At:
        """Other values in the places of these."""
        left = iter(values)
        going, tau, length, evaluations = (next(left) for _ in range(CONTROL))
        states, slopes, rows = ([next(left) for _ in part] for part in (self.states, self.slopes, self.rows))
        return At(going, tau, length, states, slopes, evaluations, rows)


@record
class Step:
    """A step of every example: from where, how long, whether it is kept and goes to the end, the velocities of its stages."""

    tau: Term
    length: Term
    kept: Term
    last: Term
    slopes: list[Slopes]


def solve(way: Way) -> list[Value]:
    """The states at the end, how often each example's velocity was evaluated, and the states along the way that are asked for.

    An example that has not arrived after `max_steps` steps ends as not-a-number, and its evaluations are negative.
    """
    builder, control = way.builder, way.control
    first = way.begin()
    at = first.copy()
    region = Region([Value(Type(DType.INT), "turn"), *at.values])
    outer, builder.region = builder.region, region
    region.outputs = way.step(at).values
    builder.region = outer
    described = _described(way.tableau, way.order, control, len(first.states), way.has_event)
    loop = Loop(None, fresh=False, stops=True, fill=0, control=described)
    made = builder.loop(builder.constant(control.max_steps), loop, first.values, region)
    return way.arrived(first, first.of(made))


def _described(tableau: Tableau, order: int, control: Control, states: int, has_event: bool) -> StepControl:
    """What a loop says of how it chooses its steps."""
    weights = float(sum(abs(c) for c in tableau.error))
    stages = len(tableau.c) - 1
    return StepControl(control.rtol, control.atol, order, weights, stages, states, control.max_steps, has_event)


class Way:
    """The way from `start` to `stop`, one step a turn."""

    has_event = False

    def __init__(self, problem: Problem, solver: Solver, control: Control, asked: list[Asked]) -> None:
        assert isinstance(solver.rule, Tableau), "an adaptive method has a tableau"
        self.asked = asked
        self.problem, self.control, self.builder = problem, control, problem.builder
        self.tableau, self.order = solver.rule, solver.order
        self.stages = len(solver.rule.c) - 1  # New velocities a step.
        tableau = self.tableau
        has_rows = bool(asked) or problem.ends is not None
        rows = [*tableau.a, tableau.b, tableau.error, *(tableau.dense if has_rows else ())]
        self.coefficients = {c: self.builder.constant(float(c)) for c in sorted({c for row in rows for c in row if c})}
        self.span = self.builder.emit(el.Subtract, problem.stop, problem.start, name="span")
        self.lead = problem.states[0].type.lead

    def time(self, tau: Term) -> Value:
        """The time of the equation at a share `tau` of the interval, 0 at its start and 1 at its end."""
        time = tau * self.term(self.span) + self.term(self.problem.start)
        time.value.name = "time"
        return time.value

    def velocity(self, tau: Term, states: list[Value]) -> Slopes:
        """d states / d tau."""
        return self._of_the_way(self.problem.velocity(self.time(tau), states))

    def _of_the_way(self, slopes: Slopes) -> Slopes:
        return [self.builder.emit(el.Multiply, k, self.span, name="slope") for k in slopes]

    def term(self, value: Value) -> Term:
        """A value with arithmetic."""
        return Term(self.builder, value)

    # ------------------------------------------------------------------ begin

    def begin(self) -> At:
        """Two evaluations: the velocity at the start, and one that tells how fast it changes."""
        zero = self.term(self.builder.spread(self.builder.constant(0.0), self.lead))
        states = self.problem.states
        slopes = self.velocity(zero, states)
        length = self._first_length(states, slopes, zero)
        going, evaluations = (self.builder.spread(self.builder.constant(n), self.lead) for n in (True, 2))
        rows = [self._no_rows(a) for a in self.asked]
        return At(going, zero.value, length.value, states, slopes, evaluations, rows)

    def _no_rows(self, asked: Asked) -> Value:
        """Zeros, in the place of a state at each of its shares."""
        state, shares = self.problem.states[asked.place].type, asked.shares.type
        zeros = self.builder.emit(
            Expand,
            self.builder.constant(0.0),
            shape=(*shares.shape, *state.shape),
            name=self.problem.states[asked.place].name,
        )
        return self.builder.spread(zeros, join_leads([state, shares]))

    def _first_length(self, states: list[Value], slopes: Slopes, zero: Term) -> Term:
        """Of a step of Euler's method that is as exact as a step of this one shall be."""
        scale = [self._tolerance(y, y) for y in states]
        size, speed = self._norm(states, scale), self._norm(slopes, scale)
        unsure = either(below(size, 1e-5), below(speed, 1e-5))
        guess = unsure.where(FIRST, size / speed * 0.01)
        ahead = self.velocity(zero + guess, self._moved(states, slopes, guess))
        change = [self.builder.emit(el.Subtract, b, a) for a, b in zip(slopes, ahead, strict=True)]
        steepest = self._norm(change, scale) / guess
        steepest = steepest.emit(el.Maximum, speed)
        careful = (guess * 1e-3).emit(el.Maximum, FIRST)
        exact = (steepest.emit(el.Maximum, 1e-15) * 100.0).emit(el.Power, -1 / self.order)
        length = below(steepest, 1e-15).where(careful, exact).emit(el.Minimum, guess * 100.0)
        return length.emit(el.StopGradient)

    def _moved(self, states: list[Value], slopes: Slopes, length: Term) -> list[Value]:
        return [(self.term(y) + self.term(k) * length).value for y, k in zip(states, slopes, strict=True)]

    # ------------------------------------------------------------------- step

    def step(self, at: At) -> At:
        """One step of every example, kept where its error is small enough. Who has arrived takes none."""
        tau, proposed = self.term(at.tau), self.term(at.length)
        left = 1.0 - tau
        last = proposed.emit(logic.GreaterEqual, left)
        length = last.where(left, proposed)
        states, slopes = self.stages_of(at, tau, length)
        error = self._error(at.states, states, slopes, length)
        going, small = self.term(at.going), error.emit(logic.LessEqual, 1.0)
        kept = going.emit(logic.LogicalAnd, small)
        evaluations = self.term(at.evaluations) + going.where(self.stages, 0)
        step = Step(tau, length, kept, last, slopes)
        moved = At(
            going.emit(logic.LogicalAnd, kept.emit(logic.LogicalAnd, last).emit(logic.LogicalNot)).value,
            kept.where(tau + length, tau).value,
            (length * self._factor(error, small)).value,
            self.chosen(kept, states, at.states),
            self.chosen(kept, slopes[-1], at.slopes),
            evaluations.value,
            self.rows(at, step),
        )
        return self.stopped(at, moved, step)

    def stopped(self, at: At, moved: At, step: Step) -> At:
        """Where the examples are after a step, with those stopped that something else than the end of the way stops."""
        return moved

    def rows(self, at: At, step: Step) -> list[Value]:
        """What is asked for, with the states at those shares that lie in a step that was kept."""
        filled = []
        for asked, row in zip(self.asked, at.rows, strict=True):
            share = self.term(asked.shares)
            reached = share.emit(logic.Less, step.tau + step.length).emit(logic.LogicalOr, step.last)
            inside = share.emit(logic.GreaterEqual, step.tau).emit(logic.LogicalAnd, reached)
            inside = inside.emit(logic.LogicalAnd, step.kept)
            part = inside.where((share - step.tau) / inside.where(step.length, 1.0), 0.0)
            rows = self.between(at, step, asked.place, part)
            filled.append(beside(inside, self.problem.states[asked.place].type.rank).where(rows, self.term(row)).value)
        return filled

    def between(self, at: At, step: Step, place: int, part: Term) -> Term:
        """A state, by its place among all, at parts of a step."""
        powers = [tuple(row[i] for row in self.tableau.dense) for i in range(len(self.tableau.dense[0]))]
        terms = [self.term(self._combined(power, [[k[place]] for k in step.slopes])[0]) for power in powers]
        return polynomial(self.term(at.states[place]), step.length, terms, part)

    def arrived(self, first: At, at: At) -> list[Value]:
        """The results of examples that have arrived; not a number elsewhere, and minus the evaluations."""
        states = [self.there(at, y) for y in at.states]
        return [
            *states,
            self.counted(at, self.term(at.evaluations)),
            *self.asked_of(at, at.rows, [a.shares for a in self.asked]),
        ]

    def there(self, at: At, value: Value) -> Value:
        """What an example has that has arrived."""
        return self.builder.emit(logic.Where, at.going, self.builder.constant(nan), value, name=value.name)

    def counted(self, at: At, evaluations: Term) -> Value:
        """How often the velocity was evaluated, negative where an example has not arrived."""
        counted = self.term(at.going).where(-evaluations, evaluations).value
        counted.name = "evaluations"
        return counted

    def asked_of(self, at: At, rows: list[Value], shares: list[Value]) -> list[Value]:
        """What was asked for at shares that lie on the way of an example that has arrived; not a number elsewhere."""
        there = self.term(at.going).emit(logic.LogicalNot)
        values = []
        for asked, share, of_all in zip(self.asked, shares, rows, strict=True):
            known = within(self.term(share)).emit(logic.LogicalAnd, there)
            values.append(only(known, self.term(of_all), self.problem.states[asked.place].type.rank).value)
        return values

    def chosen(self, condition: Term, yes: list[Value], no: list[Value]) -> list[Value]:
        """One list of values where a condition holds, the other elsewhere."""
        return [condition.where(self.term(a), self.term(b)).value for a, b in zip(yes, no, strict=True)]

    def stages_of(self, at: At, tau: Term, length: Term) -> tuple[list[Value], list[Slopes]]:
        """The states after a step, which the last stage begins at, and the velocities of all stages."""
        slopes, states = [at.slopes], at.states
        shares = sorted({*self.tableau.c[1:]})
        times, velocities = self._times(tau, length, shares)
        for row, c in zip(self.tableau.a[1:], self.tableau.c[1:], strict=True):
            states = self._moved(at.states, self._combined(row, slopes), length)
            place = shares.index(c)
            slopes.append(self._of_the_way(velocities[place](times[place], states)))
        return states, slopes

    def _times(
        self, tau: Term, length: Term, shares: list[Fraction]
    ) -> tuple[list[Value], list[Callable[..., Slopes]]]:
        """The times at some shares of a step, and the velocities there: what is of the time alone is computed for all at once."""
        builder = self.builder
        axis = Axis("stage", len(shares), 1 + max((a.depth for a in self.lead), default=0))
        steps = self.term(builder.lead(builder.constant(tuple(map(float, shares))), (axis,)))
        times = self.time(tau + length * steps)
        rows = self.term(builder.unlead(times, 1))
        return [rows.pick(-1, i).value for i in range(len(shares))], self.problem.stages(times)

    def _combined(self, row: tuple[Fraction, ...], slopes: list[Slopes]) -> list[Value]:
        return [combined(self.builder, self.coefficients, [k[i] for k in slopes], row) for i in range(len(slopes[0]))]

    # ---------------------------------------------------------------- control

    def _error(self, before: list[Value], after: list[Value], slopes: list[Slopes], length: Term) -> Term:
        """The size of a step's error as a share of what it may be; `WORST` where it is no number."""
        parts = [(self.term(e) * length).value for e in self._combined(self.tableau.error, slopes)]
        scale = [self._tolerance(a, b) for a, b in zip(before, after, strict=True)]
        error = self._norm(parts, scale).emit(el.StopGradient)
        return error.emit(logic.LessEqual, WORST).where(error, WORST)

    def _tolerance(self, before: Value, after: Value) -> Term:
        """atol + rtol max(|before|, |after|)."""
        size = self.term(before).emit(el.Absolute)
        if after is not before:
            size = size.emit(el.Maximum, self.term(after).emit(el.Absolute))
        return size * self.control.rtol + self.control.atol

    def _norm(self, parts: list[Value], scale: list[Term]) -> Term:
        """The root mean square of all numbers of an example, each over its scale."""
        total: Term | None = None
        count = sum((product(part.type.shape) for part in parts), 0)
        for part, unit in zip(parts, scale, strict=True):
            share = self.term(part) / unit
            square = (share * share).sum(tuple(range(-share.rank, 0)))
            total = square if total is None else total + square
        assert total is not None, "an integral has a state"
        return (total / total.size(count)).emit(el.Sqrt)

    def _factor(self, error: Term, kept: Term) -> Term:
        """How much longer the next step is: a step that was kept is followed by none that is shorter.

        Control that looks at the error of the step before, too (Gustafsson 1991), was measured: fewer steps in vain and
        as many more others, between 6 % fewer evaluations on rough velocities and 10 % more on smooth ones.
        """
        wanted = error.emit(el.Maximum, 1e-10).emit(el.Power, -1 / self.order) * SAFETY
        least = kept.where(1.0, SMALLEST)
        return wanted.emit(el.Maximum, least).emit(el.Minimum, LARGEST)


def below(x: Term, number: float) -> Term:
    """Whether each element is below a number."""
    return x.emit(logic.Less, number)


def either(a: Term, b: Term) -> Term:
    """Whether one of two is true, for each element."""
    return a.emit(logic.LogicalOr, b)
