"""An equation along the share tau of its way, 0 at the start and 1 at the end: so both directions of time are one."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import Axis
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.problem import Problem, Slopes
from mai.spec.record import record


@record
class Taken:
    """A step of every example: from where, how long, the states before and after it, the velocities after it.

    `errors` are those of the states, as the method estimates them; `parts` what it needs for states inside the step.
    """

    tau: Term
    length: Term
    before: list[Value]
    after: list[Value]
    slopes: Slopes
    errors: list[Value]
    parts: list[Slopes]


class Track:
    """A problem whose time is tau, and whose velocities are the way's length times those of the time."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.builder, self.lead = problem, problem.builder, problem.lead
        self.span = self.builder.emit(el.Subtract, problem.stop, problem.start, name="span")

    def term(self, value: Value) -> Term:
        """A value with arithmetic."""
        return Term(self.builder, value)

    def time(self, tau: Term) -> Value:
        """The time of the equation at a share of the way."""
        time = tau * self.term(self.span) + self.term(self.problem.start)
        time.value.name = "time"
        return time.value

    def velocity(self, tau: Term, states: list[Value]) -> Slopes:
        """d states / d tau."""
        return self._of_the_way(self.problem.velocity(self.time(tau), states))

    def velocities(self, tau: Term, length: Term, shares: list[Fraction]) -> list[Callable[[list[Value]], Slopes]]:
        """The velocity at each of some shares of a step: what is of the time alone is computed for all at once."""
        builder, ordered = self.builder, sorted({*shares})
        axis = Axis("stage", len(ordered), 1 + max((a.depth for a in self.lead), default=0))
        steps = self.term(builder.lead(builder.constant(tuple(map(float, ordered))), (axis,)))
        times = self.time(tau + length * steps)
        rows, stages = self.term(builder.unlead(times, 1)), self.problem.stages(times)

        def velocity(place: int) -> Callable[[list[Value]], Slopes]:
            time = rows.pick(-1, place).value
            return lambda states: self._of_the_way(stages[place](time, states))

        at = [velocity(place) for place in range(len(ordered))]
        return [at[ordered.index(share)] for share in shares]

    def moved(self, states: list[Value], slopes: Slopes, length: Term) -> list[Value]:
        """y + length * k."""
        return [(self.term(y) + self.term(k) * length).value for y, k in zip(states, slopes, strict=True)]

    def _of_the_way(self, slopes: Slopes) -> Slopes:
        return [self.builder.emit(el.Multiply, k, self.span, name="slope") for k in slopes]
