"""A step of an explicit Runge-Kutta method with a second one in it, whose difference tells its error."""

from __future__ import annotations

from fractions import Fraction

from mai.compiler.ir.graph import Value
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.dense import polynomial
from mai.compiler.solvers.problem import Slopes, combined
from mai.compiler.solvers.tableaus import Tableau
from mai.compiler.solvers.track import Taken, Track


class Embedded:
    """An embedded pair. `stages` are new velocities a step, `weights` how much of their roundings comes into the error."""

    def __init__(self, track: Track, tableau: Tableau, is_dense: bool) -> None:
        self.track, self.tableau = track, tableau
        self.stages, self.weights = len(tableau.c) - 1, float(sum(abs(c) for c in tableau.error))
        rows = [*tableau.a, tableau.b, tableau.error, *(tableau.dense if is_dense else ())]
        used = sorted({c for row in rows for c in row if c})
        self.coefficients = {c: track.builder.constant(float(c)) for c in used}

    def taken(self, tau: Term, length: Term, before: list[Value], slopes: Slopes) -> Taken:
        """A step from states and their velocities. The last stage begins where the step ends."""
        states, stages = before, [slopes]
        velocities = self.track.velocities(tau, length, list(self.tableau.c[1:]))
        for row, velocity in zip(self.tableau.a[1:], velocities, strict=True):
            states = self.track.moved(before, self._combined(row, stages), length)
            stages.append(velocity(states))
        errors = [(self.track.term(e) * length).value for e in self._combined(self.tableau.error, stages)]
        return Taken(tau, length, before, states, stages[-1], errors, stages)

    def between(self, step: Taken, place: int, part: Term) -> Term:
        """A state, by its place among all, at parts of a step."""
        powers = [tuple(row[i] for row in self.tableau.dense) for i in range(len(self.tableau.dense[0]))]
        terms = [self.track.term(self._combined(power, [[k[place]] for k in step.parts])[0]) for power in powers]
        return polynomial(self.track.term(step.before[place]), step.length, terms, part)

    def _combined(self, row: tuple[Fraction, ...], slopes: list[Slopes]) -> list[Value]:
        of_each = [[k[i] for k in slopes] for i in range(len(slopes[0]))]
        return [combined(self.track.builder, self.coefficients, k, row) for k in of_each]
