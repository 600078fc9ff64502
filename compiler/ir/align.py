"""How values with different lead axes meet in memory: the one place that knows."""

from __future__ import annotations

from mai.compiler.ir.graph import Node
from mai.compiler.ir.operation import Alignment
from mai.compiler.ir.types import Axis, Type
from mai.spec.record import record


@record
class Fit:
    """What lets the input number `place` of an operation meet the others.

    `axes` says where axes of size one go, counted from the end of the result; `lead` are the lead axes that the input is
    expanded to after that, None where broadcasting is enough.
    """

    place: int
    axes: tuple[int, ...] = ()
    lead: tuple[Axis, ...] | None = None


def fits(node: Node) -> list[Fit]:
    """What the inputs of a node need, by the alignment that its operation asks for; nothing of those that come as they are."""
    alignment, lead = node.op.alignment, node.output.type.lead
    if alignment is Alignment.NONE:
        return []
    types = [v.type for v in node.inputs]
    highest = max((t.rank for t in types), default=0)
    ranks = [highest if alignment is Alignment.FULL else t.rank for t in types]
    expanded = [lead if alignment.expands(t.lead, lead) else None for t in types]
    axes = [missing_axes(t, lead, r) for t, r in zip(types, ranks, strict=True)]
    return [Fit(i, a, e) for i, (a, e) in enumerate(zip(axes, expanded, strict=True)) if a or e is not None]


def missing_axes(value: Type, lead: tuple[Axis, ...], rank: int) -> tuple[int, ...]:
    """Where axes of size one go, counted from the end, for `value` to line up with `lead` and a shape of `rank` axes.

    Axes missing at the very front are left out, since broadcasting supplies them. The positions are those in the
    result, as `numpy.expand_dims` takes them.
    """
    if not value.lead or (value.lead == lead and value.rank == rank):
        return ()  # As for most, where nodes are many.
    full = [axis in value.lead for axis in lead] + [False] * (rank - value.rank) + [True] * value.rank
    while full and not full[0]:
        full.pop(0)
    return tuple(position - len(full) for position, present in enumerate(full) if not present)
