"""`x[i, j]` of arrays of whole numbers: one element for each place of them, as numpy reads it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from mai.compiler.elaborate.bindings import Poison
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Iota, Take
from mai.compiler.ops.terms import Term
from mai.spec.record import record
from mai.spec.source import Span


@record
class Part:
    """Whole numbers, and the size of the axis that they are places of."""

    index: Value
    size: Size
    span: Span

    @property
    def is_inside(self) -> bool:
        """Whether no number of it can be negative or too large."""
        classes, size = self.index.type.classes, self.size
        return classes == size or (isinstance(classes, int) and isinstance(size, int) and classes < size)

    @property
    def is_the_axis(self) -> bool:
        """Whether it is 0, 1, 2 and so on to the end of the axis."""
        node = self.index.producer
        return node is not None and node.op is Iota and node.attributes["count"] == self.size


def read_together(e: Context, x: Value, parts: Sequence[Part], axis: int) -> Value:
    """x at places of `len(parts)` neighbouring axes, the first of them `axis`: the arrays' axes, broadcast, are in their place.

    Raises:
        Stop: the arrays do not fit together, which was reported.
    """
    e.looks_behind += x.type.rank == len(parts) == 2
    if x.type.rank == len(parts) == 2 and parts[0].is_the_axis and parts[1].index.type.shape == (parts[0].size,):
        place = _or_beyond(e, parts[1], _from_the_start(e, parts[1]), parts[1].size).unsqueeze(-1)
        return Term(e.builder, x).emit(Gather, place, axis=-1).squeeze(-1).value
    flat, shape = _flat(e, parts), x.type.shape
    first = len(shape) + axis
    joined = Term(e.builder, x).reshape(*shape[:first], _count(parts), *shape[first + len(parts) :])
    rank, index_rank = joined.rank, flat.rank
    return joined.emit(Take, flat, axis=axis + len(parts) - 1, rank=rank, index_rank=index_rank).value


def _flat(e: Context, parts: Sequence[Part]) -> Term:
    """The places in one axis that joins those of all parts; of a place that is on none of them, the one beyond its end."""
    place = _from_the_start(e, parts[0])
    for part in parts[1:]:
        before = place.emit(el.Multiply, place.whole(part.size))
        sum_ = e.checked(part.span, [parts[0].span, part.span], el.Add, before.value, _from_the_start(e, part).value)
        if isinstance(sum_, Poison):
            raise Stop
        place = Term(e.builder, e.value(sum_, part.span))
    for part in parts:
        place = _or_beyond(e, part, place, _count(parts))
    return place


def _count(parts: Sequence[Part]) -> Size:
    return prod(part.size for part in parts)


def _from_the_start(e: Context, part: Part) -> Term:
    """The places, counted from the start of the axis."""
    place = Term(e.builder, part.index)
    return place if part.is_inside else place.emit(logic.Less, 0).where(place + place.whole(part.size), place)


def _or_beyond(e: Context, part: Part, place: Term, end: Size) -> Term:
    """A place, or the one that no engine reads where the part's number is beyond its axis, counted from either end."""
    if part.is_inside:
        return place
    index = Term(e.builder, part.index)
    size = index.whole(part.size)
    is_on = index.emit(logic.Less, size).emit(logic.LogicalAnd, index.emit(logic.GreaterEqual, -size))
    return is_on.where(place, place.whole(end))
