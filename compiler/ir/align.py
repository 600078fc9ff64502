"""How values with different lead axes meet in memory: the one place that knows."""

from __future__ import annotations

from mai.compiler.ir.types import Axis, Type


def missing_axes(value: Type, lead: tuple[Axis, ...], rank: int) -> tuple[int, ...]:
    """Where axes of size one go, counted from the end, for `value` to line up with `lead` and a shape of `rank` axes.

    Axes missing at the very front are left out, since broadcasting supplies them. The positions are those in the
    result, as `numpy.expand_dims` takes them.
    """
    full = [axis in value.lead for axis in lead] + [False] * (rank - value.rank) + [True] * value.rank
    while full and not full[0]:
        full.pop(0)
    return tuple(position - len(full) for position, present in enumerate(full) if not present)
