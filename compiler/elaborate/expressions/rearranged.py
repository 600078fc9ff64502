"""Other orders of a call's arguments: repairs to try where a call was refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from mai.compiler.elaborate.bindings import Binding, BoundArgument
from mai.compiler.ir.graph import Value
from mai.spec.diagnostics import Change, Edit
from mai.spec.diagnostics.edit import changed
from mai.spec.source import Span

MOST = 6  # Repairs of one call.
TOO_MANY = (
    "static-needed",
    "dtype-mismatch",
    "type-mismatch",
    "too-many-arguments",
    "bad-init",
    "not-callable",
    "duplicate-argument",
    "check-failed",
)
MISPLACED = (  # What may be wrong with an argument that is meant for another parameter.
    *TOO_MANY, "rank-mismatch", "shape-mismatch", "not-a-dimension", "repeat-count", "bad-pattern", "axis-out-of-range",
    "class-range", "bad-setting",
)  # fmt: skip


def exchanged(arguments: Sequence[BoundArgument], span: Span) -> tuple[Edit, ...]:
    """Two arguments exchanged that are of different kinds; nothing where the call is not the user's."""
    placed = [a for a in arguments if a.name is None]
    return () if not _are_a_row(placed, span) else tuple(_exchanges(placed, span))[:MOST]


def shortened(arguments: Sequence[BoundArgument], span: Span) -> tuple[Edit, ...]:
    """An argument that is no tensor left out; nothing where the call is not the user's."""
    placed = [a for a in arguments if a.name is None]
    return () if not _are_a_row(placed, span) else tuple(_without_one(placed, span))[:MOST]


def _are_a_row(placed: Sequence[BoundArgument], span: Span) -> bool:
    return not span.source.in_prelude and all(_follows(one.span, other.span) for one, other in pairwise(placed))


def _follows(one: Span, other: Span) -> bool:
    """Whether nothing but a comma stands between two arguments: in `x |> f(2)` the first stands elsewhere."""
    return one.source is other.source and one.source.text[one.end : other.start].strip() == ","


def _exchanges(placed: Sequence[BoundArgument], span: Span) -> Iterator[Edit]:
    for one, other in combinations(placed, 2):
        if _kind(one.value) != _kind(other.value):
            changes = Change(one.span, other.span.text), Change(other.span, one.span.text)
            yield Edit(f"two arguments are exchanged: write `{_after(span, changes)}`", changes)


def _without_one(placed: Sequence[BoundArgument], span: Span) -> Iterator[Edit]:
    for before, own in pairwise(placed):
        if not isinstance(own.value, Value):
            changes = (Change(Span(span.source, before.span.end, own.span.end), ""),)
            yield Edit(f"one argument is too many: write `{_after(span, changes)}`", changes)


def _after(span: Span, changes: Sequence[Change]) -> str:
    """The call after changes, on one line."""
    more = sum(len(c.text) - (c.span.end - c.span.start) for c in changes)
    return " ".join(changed(span.source.text, changes)[span.start : span.end + more].split())


def _kind(value: Binding) -> object:
    """What two arguments that may stand in each other's place have in common."""
    if isinstance(value, Value):
        return value.type.dtype, value.type.shape
    return type(value)
