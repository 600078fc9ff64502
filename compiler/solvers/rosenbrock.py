"""A step of a Rosenbrock method: linearly implicit, with the velocity's own derivatives, for stiff equations.

In the variables of Hairer and Wanner, Solving Ordinary Differential Equations II, IV.7, times the step's length h:
(I / gamma - h J) k_i = h f(t + c_i h, y + sum_j a_ij k_j) + sum_j e_ij k_j + d_i h^2 df/dt, y + sum_i b_i k_i after it.
All numbers of an example are one vector of n.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import product
from mai.compiler.ir.structure import Pushforward
from mai.compiler.ir.types import DType, Type, join_leads
from mai.compiler.ops.linear.factors import Solve
from mai.compiler.ops.products.product import Matmul
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.dense import beside
from mai.compiler.solvers.problem import Slopes, combined
from mai.compiler.solvers.tableaus import Rosenbrock
from mai.compiler.solvers.track import Taken, Track


class LinearlyImplicit:
    """A Rosenbrock method. `stages` are new velocities a step, `weights` how much of their roundings comes into the error."""

    def __init__(self, track: Track, rule: Rosenbrock) -> None:
        self.track, self.rule, self.builder = track, rule, track.builder
        self.stages, self.weights = len(rule.c), rule.error_weight
        self.shapes = [y.type.shape for y in track.problem.states]
        sizes = [product(shape) for shape in self.shapes]
        self.sizes = [n for n in sizes if isinstance(n, int)]
        assert len(self.sizes) == len(sizes), "how many numbers an implicit method solves for is known"
        used = sorted({c for row in (*rule.a, *rule.e, *rule.dense, rule.d) for c in row if c})
        self.coefficients = {c: self.builder.constant(float(c)) for c in used}

    @property
    def count(self) -> int:
        """How many numbers an example has."""
        return sum(self.sizes)

    def taken(self, tau: Term, length: Term, before: list[Value], slopes: Slopes) -> Taken:
        """A step from states and their velocities."""
        solution, along = self._linear(tau, length, before)
        y, first = self._vector(before), self._vector(slopes)
        velocities = self.track.velocities(tau, length, [*self.rule.c[1:], Fraction(1)])
        parts: list[Term] = []
        stage = y
        for i, row in enumerate(self.rule.a):
            stage = self._added(y, row, parts)
            slope = self._vector(velocities[i - 1](self._states(stage))) if i else first
            right = self._added(slope * length, self.rule.e[i], parts)
            if self.rule.d[i]:
                right = right + along * (length * length) * self._coefficient(self.rule.d[i])
            parts.append(solution.emit(Matmul, right.unsqueeze(-1)).squeeze(-1))
        after = self._states(stage + parts[-1])
        errors = self._states(parts[-1])
        return Taken(tau, length, before, after, velocities[-1](after), errors, [self._states(k) for k in parts])

    def between(self, step: Taken, place: int, part: Term) -> Term:
        """A state, by its place among all, at parts p of a step: y0 + p (y1 - y0) + p (1 - p) (q_1 + p (q_2 + p q_3 ...))."""
        ks, rank = [k[place] for k in step.parts], len(self.shapes[place])
        front = tuple(range(-part.rank - rank, -rank))
        rows = [self.track.term(combined(self.builder, self.coefficients, ks, row)) for row in self.rule.dense]
        a, b, *bends = (
            t.unsqueeze(*front) for t in (*map(self.track.term, (step.before[place], step.after[place])), *rows)
        )
        p = beside(part, rank)
        bend = bends[-1]
        for q in bends[-2::-1]:
            bend = q + p * bend
        return a + (b - a) * p + p * (1.0 - p) * bend

    # -------------------------------------------------------------- derivatives

    def _linear(self, tau: Term, length: Term, before: list[Value]) -> tuple[Term, Term]:
        """(I / gamma - h J)^-1, [n, n], and df/dtau, [n]."""
        f = self._vector(self.track.velocity(tau, before))
        gamma = float(self.rule.gamma)
        rows, columns = f.range(self.count).unsqueeze(-1), f.range(self.count)
        unit = rows.equals(columns)
        axis = self.track.problem.axis("direction", self.count)
        directions = [self.builder.lead(v.value, (axis,)) for v in self._units(unit)]
        along = self._pushed(f, before, directions)
        columns_of = self.track.term(self.builder.unlead(self.builder.spread(along.value, (axis,)), 1))
        jacobian = columns_of.transpose()
        one = self.builder.spread(self.builder.constant(1.0), self.track.lead)
        of_time = self._pushed(f, [tau.value], [one])
        matrix = unit * (1 / gamma) - jacobian * length
        return matrix.emit(Solve, unit.expand((self.count, self.count))), of_time

    def _units(self, unit: Term) -> list[Term]:
        """The unit directions, one after the other, of each state: [n, *state]."""
        start, parts = 0, []
        for size, shape in zip(self.sizes, self.shapes, strict=True):
            parts.append(unit.slice(-1, start, start + size).reshape(self.count, *shape))
            start += size
        return parts

    def _pushed(self, f: Term, places: Sequence[Value], directions: Sequence[Value]) -> Term:
        """The derivative of f along directions of places."""
        lead = join_leads([f.value.type, *(v.type for v in (*places, *directions))])
        pushed = self.builder.add(
            Pushforward(), [f.value, *places, *directions], [Type(DType.REAL, f.shape, lead)], name="jvp"
        )
        return self.track.term(pushed.output)

    # ------------------------------------------------------------------ vectors

    def _vector(self, states: Sequence[Value]) -> Term:
        """Values of the states' shapes as one vector, [n]."""
        flat = [self.track.term(v).reshape(n) for v, n in zip(states, self.sizes, strict=True)]
        return flat[0].emit(Concat, *flat[1:], axis=-1) if len(flat) > 1 else flat[0]

    def _states(self, vector: Term) -> list[Value]:
        """A vector as values of the states' shapes."""
        start, parts = 0, []
        for size, shape in zip(self.sizes, self.shapes, strict=True):
            part = vector.slice(-1, start, start + size) if len(self.sizes) > 1 else vector
            parts.append(part.reshape(*shape).value)
            start += size
        return parts

    def _added(self, first: Term, row: tuple[Fraction, ...], parts: list[Term]) -> Term:
        if not any(row):
            return first
        return first + self.track.term(combined(self.builder, self.coefficients, [k.value for k in parts], row))

    def _coefficient(self, number: Fraction) -> Term:
        return self.track.term(self.coefficients[number])
