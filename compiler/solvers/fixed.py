"""Steps of a number that is known before: Runge-Kutta and Adams-Bashforth, as code for one turn of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from mai.compiler.ir.graph import Value
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.pace import Pace
from mai.compiler.solvers.problem import Problem, Slopes, combined
from mai.compiler.solvers.tableaus import Adams, Solver, Tableau

Weights = dict[Fraction, Value]


class Steps:
    """Steps at a pace; `scaled(turn)` has the coefficients, each times the length h of a turn's step."""

    def __init__(self, problem: Problem, pace: Pace, coefficients: Sequence[Fraction]) -> None:
        self.problem, self.builder, self.pace = problem, problem.builder, pace
        weights = sorted({c for c in coefficients if c})
        self.scaled = pace.of_length(lambda h: {c: self._times(h, c) for c in weights})
        self.time = pace.time

    def _times(self, h: Value, coefficient: Fraction) -> Value:
        if coefficient == 1:
            return h
        return self.builder.emit(el.Multiply, h, self.builder.constant(float(coefficient)), name="h")

    @property
    def is_smooth(self) -> bool:
        """Whether a state has a velocity between two steps: noise has none."""
        return True

    def begin(self) -> list[Value]:
        """What a turn hands to the next beside the states, as it is before the first."""
        return []

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        """The states one step on, and the memory."""
        raise NotImplementedError

    def slopes(self, turn: Value, states: list[Value], memory: list[Value]) -> Slopes:
        """The velocity before a step."""
        return self.problem.velocity(self.time(turn, Fraction(0)), states)

    def moved(
        self, states: list[Value], row: tuple[Fraction, ...], slopes: list[Slopes], scaled: Weights
    ) -> list[Value]:
        """y + h sum_j row_j k_j of every state."""
        if not any(row):
            return states
        parts = [combined(self.builder, scaled, [k[i] for k in slopes], row) for i in range(len(states))]
        return self.added(states, parts)

    def added(self, states: list[Value], parts: list[Value]) -> list[Value]:
        """Each state with its part of a sum."""
        return [self.builder.emit(el.Add, y, part, name=y.name) for y, part in zip(states, parts, strict=True)]


class RungeKutta(Steps):
    """y + h sum_i b_i k_i, k_i the velocity at y + h sum_j a_ij k_j and time t + c_i h."""

    def __init__(self, problem: Problem, pace: Pace, tableau: Tableau) -> None:
        super().__init__(problem, pace, [c for row in (*tableau.a, tableau.b) for c in row])
        self.tableau = tableau

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        slopes: list[Slopes] = []
        scaled = self.scaled(turn)
        for row, c in zip(self.tableau.a, self.tableau.c, strict=True):
            slopes.append(self.problem.velocity(self.time(turn, c), self.moved(states, row, slopes, scaled)))
        return self.moved(states, self.tableau.b, slopes, scaled), memory


class AdamsBashforth(Steps):
    """y + h sum_j b_j f_{n-j}; the memory is the velocities of the steps before, the newest first.

    Before the first step they are those of the line through f(t0, y0) and f(t0 + h, y0 + h f(t0, y0)), so that this step
    is Heun's and every number of steps, 1 too, keeps the order. Between uneven times the b_j are those of the polynomial through
    the velocities where they were (Hairer, Nørsett and Wanner I, III.5), those before the first at steps of the first one's length.
    """

    def __init__(self, problem: Problem, pace: Pace, adams: Adams) -> None:
        super().__init__(problem, pace, [*adams.b, Fraction(1)])
        self.b = adams.b

    def begin(self) -> list[Value]:
        first = self.builder.constant(0)
        states = self.problem.states
        now = self.problem.velocity(self.time(first, Fraction(0)), states)
        ahead = self.problem.velocity(
            self.time(first, Fraction(1)), self.moved(states, (Fraction(1),), [now], self.scaled(first))
        )
        rise = [self.builder.emit(el.Subtract, b, a) for a, b in zip(now, ahead, strict=True)]
        memory: list[Value] = []
        past = now
        for _ in self.b[1:]:
            past = [self.builder.emit(el.Subtract, a, d, name="past") for a, d in zip(past, rise, strict=True)]
            memory += past
        return memory

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        now = self.problem.velocity(self.time(turn, Fraction(0)), states)
        count = len(states)
        slopes = [now, *(memory[i : i + count] for i in range(0, len(memory), count))]
        return self._ahead(turn, states, slopes), [*now, *memory][: len(memory)]

    def _ahead(self, turn: Value, states: list[Value], slopes: list[Slopes]) -> list[Value]:
        past = [self.pace.before(turn, by) for by in range(1, len(self.b))]
        lengths = [Term(self.builder, h) for h in past if h is not None]
        scaled = self.scaled(turn)
        if not lengths:
            return self.moved(states, self.b, slopes, scaled)
        weights = polynomial_weights(Term(self.builder, scaled[Fraction(1)]), lengths)
        for weight, k in zip(weights, slopes, strict=True):
            states = self.added(states, [(Term(self.builder, v) * weight).value for v in k])
        return states


def polynomial_weights(h: Term, past: list[Term]) -> list[Term]:
    """How much values count in the integral from 0 to h of the polynomial through them: one at 0, and one before each past step.

    An empty step before counts as one of the length of this: the values at its ends are one.
    """
    full = h.emit(logic.Equal, 0.0).where(1.0, h)
    places = [h * 0.0]
    for length in past:
        places.append(places[-1] - length.emit(logic.Equal, 0.0).where(full, length))
    return [_weight(h, place, places[:j] + places[j + 1 :]) for j, place in enumerate(places)]


def _weight(h: Term, place: Term, others: list[Term]) -> Term:
    """The integral from 0 to h of the product of (s - s_i) / (place - s_i), s_i the others."""
    powers, scale = [h.other(1.0)], h.other(1.0)  # The product's coefficients, that of s^0 first.
    for other in others:
        low = [-(other * c) for c in powers]
        powers = [low[0], *(a + b for a, b in zip(powers, low[1:], strict=False)), powers[-1]]
        scale = scale * (place - other)
    total = h * 0.0
    for power in range(len(powers), 0, -1):
        total = (total + powers[power - 1] * (1 / power)) * h
    return total / scale


def steps_of(solver: Solver, problem: Problem, pace: Pace) -> Steps:
    """The steps of a solver that is not adaptive."""
    rule = solver.rule
    if solver.stochastic:
        from mai.compiler.solvers.stochastic import noisy_steps  # Few integrals have noise.

        return noisy_steps(rule, problem, pace)
    if isinstance(rule, Adams):
        return AdamsBashforth(problem, pace, rule)
    assert isinstance(rule, Tableau)
    return RungeKutta(problem, pace, rule)
