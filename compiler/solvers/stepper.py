"""The one stepper: a step of any explicit Runge-Kutta method, as code."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ops import elementwise as el
from mai.compiler.solvers.tableaus import Tableau

Velocity = Callable[[Value, list[Value]], list[Value]]


class Stepper:
    """Emits steps of `tableau` from time `start`, each of length `step` (scalars, made outside the loop)."""

    def __init__(self, builder: Builder, tableau: Tableau, start: Value, step: Value) -> None:
        self.builder, self.tableau, self.start, self.h = builder, tableau, start, step
        coefficients = {c for row in (*tableau.a, tableau.b) for c in row if c}
        self.scaled = {c: self._times_h(c) for c in sorted(coefficients)}

    def _times_h(self, coefficient: Fraction) -> Value:
        if coefficient == 1:
            return self.h
        return self.builder.emit(el.Multiply, self.h, self.builder.constant(float(coefficient)), name="h")

    def step(self, turn: Value, states: list[Value], velocity: Velocity) -> list[Value]:
        """The states one step on: y + h sum_i b_i k_i, k_i the velocity at y + h sum_j a_ij k_j and time t + c_i h."""
        slopes: list[list[Value]] = []
        for row, c in zip(self.tableau.a, self.tableau.c, strict=True):
            slopes.append(velocity(self._time(turn, c), self._moved(states, row, slopes)))
        return self._moved(states, self.tableau.b, slopes)

    def _time(self, turn: Value, c: Fraction) -> Value:
        count = self.builder.emit(el.ToReal, turn, name="turn")
        if c:
            count = self.builder.emit(el.Add, count, self.builder.constant(float(c)))
        return self.builder.emit(el.Add, self.start, self.builder.emit(el.Multiply, self.h, count), name="time")

    def _moved(self, states: list[Value], row: tuple[Fraction, ...], slopes: list[list[Value]]) -> list[Value]:
        return [self._combined(y, row, [k[i] for k in slopes]) for i, y in enumerate(states)]

    def _combined(self, y: Value, row: tuple[Fraction, ...], slopes: list[Value]) -> Value:
        """y + h sum c k, slopes with one coefficient added up first: the fewest products."""
        groups: dict[Fraction, Value] = {}
        for c, k in zip(row, slopes, strict=False):
            if c:
                groups[c] = self.builder.emit(el.Add, groups[c], k) if c in groups else k
        for c, total in groups.items():
            y = self.builder.emit(el.Add, y, self.builder.emit(el.Multiply, total, self.scaled[c]), name=y.name)
        return y
