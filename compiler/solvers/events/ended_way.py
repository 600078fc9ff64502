"""Steps of their own length up to where a condition becomes true, for each example by itself.

The first step with the condition true in it is not taken: the example stays before it, with its length, and with less than
the whole way gone. After the loop the place in it is found, and a step taken to there, which is as exact as all others.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mai.compiler.ir.graph import Value
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.adaptive import At, Step, Way
from mai.compiler.solvers.dense import reached
from mai.compiler.solvers.events.event import becomes_true, corrected, holds_within
from mai.compiler.solvers.problem import End
from mai.compiler.solvers.track import Taken

NEAR = 0.1  # Of a step: how far the place that a polynomial gives is corrected.


class EndedWay(Way):
    """The way from `start` to where the problem's condition becomes true, or to `stop`."""

    has_event = True

    def end(self, time: Value, states: list[Value]) -> End:
        """Whether an example ends at a time."""
        assert self.problem.ends is not None, "a condition ends it"
        return self.problem.ends(time, states)

    def begin(self) -> At:
        at = super().begin()
        return replace(at, going=self.at_once().emit(logic.LogicalNot).value)

    def at_once(self) -> Term:
        """Whether the condition holds where the way begins."""
        return self.term(self.builder.spread(self.end(self.problem.start, self.problem.states).holds, self.lead))

    def stopped(self, at: At, moved: At, step: Step) -> At:
        holds = holds_within(self.problem, self.end, partial(self.at_parts, step.taken))
        has_come = holds.emit(logic.LogicalAnd, step.kept)
        on = self.term(at.going).emit(logic.LogicalAnd, has_come.emit(logic.LogicalNot))
        arrived = step.kept.emit(logic.LogicalAnd, step.last)
        tau = arrived.where(1.0, self.term(moved.tau))
        return At(
            self.term(moved.going).emit(logic.LogicalAnd, on).value,
            has_come.where(step.taken.tau, tau).value,
            on.where(self.term(moved.length), step.taken.length).value,
            self.chosen(has_come, at.states, moved.states),
            self.chosen(has_come, at.slopes, moved.slopes),
            moved.evaluations,
            self.chosen(has_come, at.rows, moved.rows),
        )

    def at_parts(self, step: Taken, parts: Term) -> tuple[Term, list[Term]]:
        """Time and states at parts of a step."""
        time = self.term(self.track.time(step.tau + step.length * parts))
        return time, [self.method.between(step, i, parts) for i in range(len(step.before))]

    def arrived(self, first: At, at: At) -> list[Value]:
        """The last states, the time at the end, the evaluations, and what is asked for."""
        tau, at_once = self.term(at.tau), self.term(first.going).emit(logic.LogicalNot)
        stands = self.term(at.going).emit(logic.LogicalOr, at_once).emit(logic.LogicalNot)
        hit = stands.emit(logic.LogicalAnd, tau.emit(logic.Less, 1.0))
        length = hit.where(self.term(at.length), 0.0)
        whole = self.method.taken(tau, length, at.states, at.slopes)
        place = becomes_true(self.problem, self.end, partial(self.at_parts, whole))
        taken = self.method.taken(tau, length * place.part, at.states, at.slopes)
        place = replace(place, part=self.term(self.builder.spread(self.builder.constant(1.0), self.lead)))
        part = corrected(self.problem, self.end, partial(self.at_parts, taken), place, NEAR)
        time, inside = self.at_parts(taken, part)
        time = at_once.where(self.term(self.problem.start), hit.where(time, self.term(self.problem.stop)))
        states = self.chosen(hit, [y.value for y in inside], at.states)
        share = at_once.where(0.0, hit.where(tau + taken.length * part, 1.0))
        evaluations = self.term(at.evaluations) + hit.where(2 * self.method.stages, 0)
        return [
            *(self.there(at, y) for y in states), self.there(at, time.value), self.counted(at, evaluations),
            *self._rows_until(at, Step(taken, hit, hit), at_once, share),
        ]  # fmt: skip

    def _rows_until(self, at: At, step: Step, at_once: Term, share: Term) -> list[Value]:
        """What is asked for, up to the share at which the way ended."""
        rows = [self.term(row) for row in self.rows(at, step)]
        states = [self.term(self.problem.states[asked.place]) for asked in self.asked]
        rows_or_start = [at_once.where(y.expand(row.shape), row).value for y, row in zip(states, rows, strict=True)]
        return self.asked_of(at, rows_or_start, [reached(share, asked.shares) for asked in self.asked])
