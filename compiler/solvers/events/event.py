"""Events: where a condition becomes true on the way, found between two steps by the method's own dense output.

The first step that has the condition true in it is cut into parts, and the first part with it true again. The derivative
of that place is that of the root of what is compared, g(t, y(t)) = 0, by the implicit function theorem: dt = -dg / (dg/dt).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mai.compiler.ir.graph import Value
from mai.compiler.ir.structure import Pushforward
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.reductions.truth import AnyOf
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.ops.terms import Term
from mai.compiler.solvers.problem import Compared, End, Problem
from mai.spec.record import record

PARTS = 16  # That a stretch is looked at in.
ROUNDS = 6
FINEST = float(PARTS) ** -ROUNDS  # Of a step: one rounding of a float32.
LARGEST = 1e38


# At a time and states; time [*parts] and states [*parts, *state] at parts of a step, 0 to 1.
Condition = Callable[[Value, list[Value]], End]
Between = Callable[[Term], tuple[Term, list[Term]]]


@record
class Place:
    """A part of a step, one an example, and for each comparison the sign of its change there, 0 where it does not change."""

    part: Term
    changes: list[Term]


def holds_within(problem: Problem, condition: Condition, between: Between) -> Term:
    """Whether a condition holds in a step: at its end, or at one of the places in it that are looked at."""
    parts = Term(problem.builder, problem.builder.constant(tuple((i + 1) / PARTS for i in range(PARTS))))
    return _holds_at(problem, condition, between, parts).emit(AnyOf, axes=(-1,))


def _holds_at(problem: Problem, condition: Condition, between: Between, parts: Term) -> Term:
    return Term(problem.builder, _beside_each_other(problem, condition, between, parts)[0])


def becomes_true(problem: Problem, condition: Condition, between: Between) -> Place:
    """The part of a step, 0 to 1 and one an example, at which a condition becomes true that holds somewhere in it."""
    builder = problem.builder
    low, width = Term(builder, builder.spread(builder.constant(0.0), problem.lead)), 1.0
    numbers = low.other(tuple(float(i + 1) for i in range(PARTS)))
    for _ in range(ROUNDS):
        width /= PARTS
        holds = _holds_at(problem, condition, between, low.unsqueeze(-1) + numbers * width)
        first = holds.where(numbers, float(PARTS)).emit(red.Min, axes=(-1,))
        low = low + (first - 1.0) * width
    changes = _changes(problem, condition, between, [low.unsqueeze(-1), (low + width).unsqueeze(-1)])
    return Place((low + width).emit(el.StopGradient), changes)


def corrected(problem: Problem, condition: Condition, between: Between, place: Place, most: float) -> Term:
    """The place by Newton's method, at most so far away, with its derivatives: after two steps the first three are right."""
    part = place.part
    for _ in range(2):
        part = part - _correction(problem, condition, between, replace(place, part=part), most)
    return part


def _beside_each_other(
    problem: Problem, condition: Condition, between: Between, parts: Term
) -> tuple[Value, list[tuple[Compared, Value]]]:
    """At parts [n] of a step: whether the condition holds [n], and what each of its comparisons says [n, ...]."""
    time, states = between(parts)
    builder, axis = problem.builder, problem.axis("part", parts.shape[0])
    here = [builder.lead(v.value, (axis,)) for v in (time, *states)]
    end = condition(here[0], here[1:])

    def by_part(truth: Value) -> Value:
        inner = sum(a.depth > axis.depth for a in truth.type.lead)
        return builder.unlead(builder.spread(truth, (axis,)), 1 + inner)

    return by_part(end.holds), [(c, by_part(c.truth)) for c in end.compared]


def _changes(problem: Problem, condition: Condition, between: Between, ends: Sequence[Term]) -> list[Term]:
    """For each comparison, 1 where its left side rises above its right one between two parts, -1 where it falls, 0 elsewhere."""
    parts = ends[0].emit(Concat, *ends[1:], axis=-1)
    _, compared = _beside_each_other(problem, condition, between, parts)
    changes = []
    for each, truth in compared:
        said = Term(problem.builder, truth).emit(el.ToReal)
        axis = -said.rank
        rises = 1.0 if each.op in (logic.Greater, logic.GreaterEqual) else -1.0
        changes.append((said.pick(axis, 1) - said.pick(axis, 0)) * rises)
    return changes


def _correction(problem: Problem, condition: Condition, between: Between, place: Place, most: float) -> Term:
    """A step of Newton's method, back, of a length up to `most`, with its own derivative."""
    part, changes = place.part, place.changes
    builder = problem.builder
    time, states = between(part)
    end = condition(time.value, [y.value for y in states])
    depth = max((a.depth for a in part.value.type.lead), default=0)
    total: Term | None = None
    for each, change in zip(end.compared, changes, strict=True):
        apart = Term(builder, builder.emit(el.Subtract, each.left, each.right))
        inner = sum(a.depth > depth for a in apart.value.type.lead)
        if inner:
            apart = Term(builder, builder.unlead(apart.value, inner))
        weighed = change.emit(logic.Equal, 0.0).where(0.0, apart * change)
        summed = weighed.sum(tuple(range(-weighed.rank, 0)))
        total = summed if total is None else total + summed
    assert total is not None, "a condition compares real numbers"
    g, one = builder.spread(total.value, part.value.type.lead), builder.constant(1.0)
    rate = builder.add(Pushforward(), [g, part.value, one], [Type(DType.REAL, (), part.value.type.lead)], name="rate")
    value, speed = Term(builder, g), Term(builder, rate.output)
    is_sound = (
        _is_finite(value)
        .emit(logic.LogicalAnd, _is_finite(speed))
        .emit(logic.LogicalAnd, speed.emit(logic.NotEqual, 0.0))
    )
    moved = is_sound.where(value, 0.0) / is_sound.where(speed, 1.0)
    return moved - (moved - moved.emit(el.Maximum, -most).emit(el.Minimum, most)).emit(el.StopGradient)


def _is_finite(number: Term) -> Term:
    return number.emit(el.Absolute).emit(logic.Less, LARGEST)
