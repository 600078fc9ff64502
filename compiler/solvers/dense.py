"""States between two steps: dense output, as code of the IR.

An adaptive method has polynomials of its own (`Tableau.dense`); of a fixed one the cubic through two states and the
velocities there is as exact as a step, up to order four. A path with noise is a straight line between two steps.
"""

from __future__ import annotations

from math import nan

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.pace import Pace
from mai.spec.record import record


@record
class Asked:
    """A state, by its place among all, at some shares of the way: an array of any rank, 0 at the start and 1 at the end."""

    place: int
    shares: Value


NOWHERE = -1.0  # A share of no way.


def within(share: Term) -> Term:
    """Whether each share is one of the way."""
    return share.emit(logic.GreaterEqual, 0.0).emit(logic.LogicalAnd, share.emit(logic.LessEqual, 1.0))


def beside(flag: Term, rank: int) -> Term:
    """What is said of each share, for rows of a state of `rank` axes."""
    return flag.unsqueeze(*range(-rank, 0))


def only(condition: Term, rows: Term, rank: int) -> Term:
    """Rows, [*shares, *state], of the shares for which a condition holds; not a number elsewhere."""
    return beside(condition, rank).where(rows, nan)


@record
class Path:
    """What a method of fixed steps went through: a state and, without noise, its velocities, [steps + 1, *state] each."""

    pace: Pace
    states: Value
    slopes: Value | None

    def at(self, builder: Builder, shares: Value) -> Value:
        """The state at shares of the way."""
        share = Term(builder, shares)
        rank, inside = self.states.type.rank - 1, within(share)
        turn, part, length = self.pace.place(inside.where(share, 0.0))
        a, b = self._ends(builder, self.states, turn)
        ends = [a, b]
        if self.slopes is not None:
            h = beside(length, rank) if length.rank else length
            ends += [k * h for k in self._ends(builder, self.slopes, turn)]
        rows = cubic(ends, beside(part, rank))
        return only(inside, rows, rank).value

    def _ends(self, builder: Builder, rows: Value, turn: Term) -> tuple[Term, Term]:
        """The rows at the start and at the end of each turn."""
        rank = rows.type.rank
        places = (turn, turn.emit(el.Add, 1))
        first, last = (builder.emit(Take, rows, p.value, axis=-rank, rank=rank, index_rank=turn.rank) for p in places)
        return Term(builder, first), Term(builder, last)


def cubic(ends: list[Term], part: Term) -> Term:
    """At a part of a step, the cubic through the states at both ends and the velocities there, times the step's length.

    `ends` are these four, or the states alone: then it is a line.
    """
    a, b, *slopes = ends
    line = a + (b - a) * part
    if not slopes:
        return line
    before, after = slopes
    bend = (b - a) * (1.0 - 2.0 * part) + before * (part - 1.0) + after * part
    return line + bend * part * (part - 1.0)


def reached(end: Term, share: Value) -> Value:
    """Shares of the way, `NOWHERE` for those beyond the share at which it ended."""
    asked = Term(end.builder, share)
    return asked.emit(logic.LessEqual, end).where(asked, NOWHERE).value


def polynomial(state: Term, length: Term, terms: list[Term], part: Term) -> Term:
    """y + h (c_1 p + c_2 p^2 + ...) at parts p of a step, [*parts, *state]; `terms` are the c, [*state] each."""
    rank, front = state.rank, tuple(range(-part.rank - state.rank, -state.rank))
    p = beside(part, rank)
    total: Term | None = None
    for c in reversed(terms):
        row = c.unsqueeze(*front)
        total = row * p if total is None else (total + row) * p
    assert total is not None, "a method with dense output has polynomials"
    return state.unsqueeze(*front) + total * length
