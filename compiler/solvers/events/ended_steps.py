"""Steps of a number that is known before up to where a condition becomes true: an example that has come there takes no step any more."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.structure import Loop
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.counted_steps import CountedSteps, with_end
from mai.compiler.solvers.dense import beside, cubic, reached
from mai.compiler.solvers.events.event import FINEST, becomes_true, corrected
from mai.compiler.solvers.problem import End, Slopes
from mai.spec.record import record


@record
class LastStep:
    """The last step of each example: how many it has taken, the number of this one, and the states around it."""

    taken: Term
    turn: Term
    before: list[Value]
    after: list[Value]


class EndedSteps:
    """The loop carries whether an example goes on, how many steps it took, the states, and those before the last of them."""

    def __init__(self, whole: CountedSteps) -> None:
        self.whole, self.problem, self.builder = whole, whole.problem, whole.builder
        self.states = whole.problem.states
        self.lead = self.states[0].type.lead

    def term(self, value: Value) -> Term:
        """A value with arithmetic."""
        return Term(self.builder, value)

    def solve(self) -> list[Value]:
        """The last states, the time at the end, the kept paths, and what is asked for between two steps."""
        none = self.builder.spread(self.builder.constant(0), self.lead)
        holds = self._spread(self._end(none, self.problem.start, self.states).holds)
        at_once = self.term(holds)
        first = [at_once.emit(logic.LogicalNot).value, none, *self.states, *self.states, *self._memory()]
        body = Region([Value(v.type, v.name) for v in (self.whole.steps, *first)])
        outer, self.builder.region = self.builder.region, body
        body.outputs = self._turn(body.inputs[0], body.inputs[1:])
        self.builder.region = outer
        loop = Loop(self.whole.count, fresh=False, stops=True, fill=0, until=True)
        results = self.builder.loop(self.whole.steps, loop, first, body)
        goes_on = self.term(results[0]).emit(logic.LogicalOr, at_once)
        return self._ended(at_once, goes_on, self._last_step(results), list(results[len(first) :]))

    # ------------------------------------------------------------------- turns

    def _turn(self, turn: Value, inside: list[Value]) -> list[Value]:
        """The loop's states after a turn, then what it keeps."""
        count = len(self.states)
        going, taken = self.term(inside[0]), self.term(inside[1])
        here, before, memory = inside[2 : 2 + count], inside[2 + count : 2 + 2 * count], inside[2 + 2 * count :]
        moved, kept_memory, slopes = self.whole.turn(turn, [*here, *memory])
        after = self.term(turn).emit(el.Add, 1)
        stops = self.term(self._spread(self._end(turn, self.whole.method.time(turn, Fraction(1)), moved).holds))
        states = [
            *self._chosen(going, moved, here),
            *self._chosen(going, here, before),
            *self._chosen(going, kept_memory, memory),
        ]
        goes_on = going.emit(logic.LogicalAnd, stops.emit(logic.LogicalNot))
        rows = [states[i] for i in self.whole.places]
        return [goes_on.value, going.where(after, taken).value, *states, *rows, *slopes]

    def _chosen(self, condition: Term, yes: list[Value], no: list[Value]) -> list[Value]:
        pairs = zip(yes, no, strict=True)
        return [self._spread(condition.where(self.term(a), self.term(b)).value, b.name) for a, b in pairs]

    def _memory(self) -> list[Value]:
        return [self._spread(v) for v in self.whole.method.begin()]

    def _spread(self, value: Value, name: str = "") -> Value:
        spread = self.builder.spread(value, self.lead)
        spread.name = name or spread.name
        return spread

    def _end(self, turn: Value, time: Value, states: list[Value]) -> End:
        """Whether an example ends at a time, in a turn, which a stochastic equation's draws are of."""
        assert self.problem.ends is not None, "a condition ends it"
        of_the_step = [turn, self.whole.pace.of_length(lambda h: h)(turn)] if self.whole.is_stochastic else []
        return self.problem.ends(time, states, *of_the_step)

    # --------------------------------------------------------------------- end

    def _last_step(self, results: tuple[Value, ...]) -> LastStep:
        count, taken = len(self.states), self.term(results[1])
        turn = taken.emit(el.Subtract, 1).emit(el.Maximum, 0)
        return LastStep(taken, turn, list(results[2 + count : 2 + 2 * count]), list(results[2 : 2 + count]))

    def _ended(self, at_once: Term, goes_on: Term, step: LastStep, rows: list[Value]) -> list[Value]:
        """Results of the last step of each example, and of the rows of all."""
        whole, method = self.whole, self.whole.method
        around = [
            (method.time(step.turn.value, Fraction(0)), step.before),
            (method.time(step.taken.value, Fraction(0)), step.after),
        ]
        slopes = [self.problem.velocity(time, states) for time, states in around] if method.is_smooth else []
        between = partial(self._between, step, slopes)
        ends = partial(self._end, step.turn.value)
        part = corrected(self.problem, ends, between, becomes_true(self.problem, ends, between), most=FINEST)
        time, inside = between(part)
        last = self._chosen(goes_on, step.after, [y.value for y in inside])
        hit = at_once.where(self.term(self.problem.start), goes_on.where(self.term(self.problem.stop), time))
        share = whole.pace.share(step.turn, part)
        share = at_once.where(0.0, goes_on.where(1.0, share))
        paths = whole.with_starts(rows)
        speeds = [
            self._with_last(row, slopes[1][i], step)
            for i, row in zip(whole.bent, rows[len(whole.places) :], strict=True)
        ]
        kept = [self._stopped(paths[i], last[i], step) for i in whole.keep]
        return [*last, self._spread(hit.value), *kept, *whole.between(paths, speeds, partial(reached, share))]

    def _between(self, step: LastStep, slopes: list[Slopes], parts: Term) -> tuple[Term, list[Term]]:
        """Time and states at parts of the last step."""
        pace = self.whole.pace
        time, h = pace.at(step.turn, parts), self.term(pace.of_length(lambda h: h)(step.turn.value))
        states = []
        for i, (before, after) in enumerate(zip(step.before, step.after, strict=True)):
            ends = [self.term(before), self.term(after), *(self.term(k[i]) * h for k in slopes)]
            front = tuple(range(-parts.rank - ends[0].rank, -ends[0].rank))
            states.append(cubic([v.unsqueeze(*front) for v in ends], beside(parts, ends[0].rank)))
        return time, states

    def _with_last(self, rows: Value, end: Value, step: LastStep) -> Value:
        """Velocities, a row a step, and after the last of an example that at its end."""
        full = self.term(with_end(self.builder, rows, end))
        is_last = full.range(full.shape[0]).emit(logic.GreaterEqual, step.taken)
        return beside(is_last, full.rank - 1).where(self.term(end).unsqueeze(-full.rank), full).value

    def _stopped(self, path: Value, last: Value, step: LastStep) -> Value:
        """A path that stays where it ended."""
        rows, state = self.term(path), self.term(last)
        is_over = rows.range(rows.shape[0]).emit(logic.GreaterEqual, step.taken)
        return beside(is_over, state.rank).where(state.unsqueeze(-rows.rank), rows).value
