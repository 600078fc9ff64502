"""Steps of one length: Runge-Kutta and Adams-Bashforth, as code for one turn of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from mai.compiler.ir.graph import Value
from mai.compiler.ops import elementwise as el
from mai.compiler.solvers.problem import Problem, Slopes, combined
from mai.compiler.solvers.tableaus import Adams, Solver, Tableau


class Steps:
    """Steps of length `h`, a scalar made outside the loop, with the coefficients times `h` beside it."""

    def __init__(self, problem: Problem, h: Value, coefficients: Sequence[Fraction]) -> None:
        self.problem, self.builder, self.h = problem, problem.builder, h
        self.scaled = {c: self._times_h(c) for c in sorted({c for c in coefficients if c})}

    def _times_h(self, coefficient: Fraction) -> Value:
        if coefficient == 1:
            return self.h
        return self.builder.emit(el.Multiply, self.h, self.builder.constant(float(coefficient)), name="h")

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

    def time(self, turn: Value, c: Fraction) -> Value:
        """start + h (turn + c)."""
        count = self.builder.emit(el.ToReal, turn, name="turn")
        if c:
            count = self.builder.emit(el.Add, count, self.builder.constant(float(c)))
        return self.builder.emit(el.Add, self.problem.start, self.builder.emit(el.Multiply, self.h, count), name="time")

    def moved(self, states: list[Value], row: tuple[Fraction, ...], slopes: list[Slopes]) -> list[Value]:
        """y + h sum_j row_j k_j of every state."""
        if not any(row):
            return states
        parts = [combined(self.builder, self.scaled, [k[i] for k in slopes], row) for i in range(len(states))]
        return self.added(states, parts)

    def added(self, states: list[Value], parts: list[Value]) -> list[Value]:
        """Each state with its part of a sum."""
        return [self.builder.emit(el.Add, y, part, name=y.name) for y, part in zip(states, parts, strict=True)]


class RungeKutta(Steps):
    """y + h sum_i b_i k_i, k_i the velocity at y + h sum_j a_ij k_j and time t + c_i h."""

    def __init__(self, problem: Problem, h: Value, tableau: Tableau) -> None:
        super().__init__(problem, h, [c for row in (*tableau.a, tableau.b) for c in row])
        self.tableau = tableau

    def step(self, turn: Value, states: list[Value], memory: list[Value]) -> tuple[list[Value], list[Value]]:
        slopes: list[Slopes] = []
        for row, c in zip(self.tableau.a, self.tableau.c, strict=True):
            slopes.append(self.problem.velocity(self.time(turn, c), self.moved(states, row, slopes)))
        return self.moved(states, self.tableau.b, slopes), memory


class AdamsBashforth(Steps):
    """y + h sum_j b_j f_{n-j}; the memory is the velocities of the steps before, the newest first.

    Before the first step they are those of the line through f(t0, y0) and f(t0 + h, y0 + h f(t0, y0)), so that this step
    is Heun's and every number of steps, 1 too, keeps the order.
    """

    def __init__(self, problem: Problem, h: Value, adams: Adams) -> None:
        super().__init__(problem, h, [*adams.b, Fraction(1)])
        self.b = adams.b

    def begin(self) -> list[Value]:
        first = self.builder.constant(0)
        states = self.problem.states
        now = self.problem.velocity(self.time(first, Fraction(0)), states)
        ahead = self.problem.velocity(self.time(first, Fraction(1)), self.moved(states, (Fraction(1),), [now]))
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
        return self.moved(states, self.b, slopes), [*now, *memory][: len(memory)]


def steps_of(solver: Solver, problem: Problem, h: Value) -> Steps:
    """The steps of a solver that is not adaptive."""
    rule = solver.rule
    if solver.stochastic:
        from mai.compiler.solvers.stochastic import noisy_steps  # Few integrals have noise.

        return noisy_steps(rule, problem, h)
    if isinstance(rule, Adams):
        return AdamsBashforth(problem, h, rule)
    assert isinstance(rule, Tableau)
    return RungeKutta(problem, h, rule)
