"""An integral in steps of a number that is known before: its loop and its paths."""

from __future__ import annotations

from collections.abc import Callable

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.structure import Integrate, Loop
from mai.compiler.ops.shapes.shape import Concat, Unsqueeze
from mai.compiler.solvers.dense import Asked, Path
from mai.compiler.solvers.fixed import steps_of
from mai.compiler.solvers.pace import Pace
from mai.compiler.solvers.problem import Problem
from mai.compiler.solvers.reuse import steps_with
from mai.compiler.solvers.tableaus import Solver


class CountedSteps:
    """The steps of an `integrate`, `steps` of them."""

    def __init__(self, integral: Integrate, solver: Solver, problem: Problem, pace: Pace, asked: list[Asked]) -> None:
        builder = problem.builder
        self.builder, self.problem, self.steps = builder, problem, pace.steps
        self.asked, self.keep = asked, integral.keep
        self.pace = pace
        self.method = steps_with(steps_of(solver, problem, pace), problem)
        self.count, self.is_stochastic = integral.steps, solver.stochastic
        self.places = sorted({*integral.keep, *(a.place for a in asked)})  # Of states with rows.
        # Of states with velocities' rows.
        self.bent = sorted({a.place for a in asked}) if self.method.is_smooth else []

    def solve(self) -> list[Value]:
        """The last states, the kept paths, and what is asked for between two steps."""
        first = [*self.problem.states, *self.method.begin()]
        body = Region([Value(v.type, v.name) for v in (self.steps, *first)])
        outer, self.builder.region = self.builder.region, body
        turn, *inside = body.inputs
        turn.name = "turn"
        moved, memory, slopes = self.turn(turn, inside)
        body.outputs = [*moved, *memory, *(moved[i] for i in self.places), *slopes]
        self.builder.region = outer
        results = self.builder.loop(self.steps, Loop(self.count, fresh=False), first, body)
        last, rows = list(results[: len(self.problem.states)]), list(results[len(inside) :])
        paths = self.with_starts(rows)
        ends = self.problem.velocity(self.problem.stop, last) if self.bent else []
        speeds = [
            with_end(self.builder, row, ends[i]) for i, row in zip(self.bent, rows[len(self.places) :], strict=True)
        ]
        return [*last, *(paths[i] for i in self.keep), *self.between(paths, speeds)]

    def turn(self, turn: Value, inside: list[Value]) -> tuple[list[Value], list[Value], list[Value]]:
        """States and memory after a step, and the velocities before it that `between` needs."""
        count = len(self.problem.states)
        here = inside[:count]
        moved, memory = self.method.step(turn, here, inside[count:])
        slopes = self.method.slopes(turn, here, inside[count:]) if self.bent else []
        return moved, memory, [slopes[i] for i in self.bent]

    def with_starts(self, rows: list[Value]) -> dict[int, Value]:
        """The paths of states, by their places: where each began, then a row a step."""
        pairs = zip(self.places, rows, strict=False)
        return {i: with_start(self.builder, self.problem.states[i], row) for i, row in pairs}

    def between(
        self, paths: dict[int, Value], speeds: list[Value], limited: Callable[[Value], Value] = lambda shares: shares
    ) -> list[Value]:
        """The states that are asked for, at their shares as `limited` has them."""
        speed = dict(zip(self.bent, speeds, strict=True))
        along = [Path(self.pace, paths[a.place], speed.get(a.place)) for a in self.asked]
        return [path.at(self.builder, limited(a.shares)) for path, a in zip(along, self.asked, strict=True)]


def with_start(builder: Builder, start: Value, rows: Value) -> Value:
    """A path: where the state began, then a row a step."""
    axis = -rows.type.rank
    first = builder.emit(Unsqueeze, start, axes=(axis,))
    return builder.emit(Concat, first, rows, axis=axis, name=rows.name)


def with_end(builder: Builder, rows: Value, end: Value) -> Value:
    """Velocities: a row a step, then that at the end."""
    axis = -rows.type.rank
    last = builder.emit(Unsqueeze, end, axes=(axis,))
    return builder.emit(Concat, rows, last, axis=axis, name=rows.name)
