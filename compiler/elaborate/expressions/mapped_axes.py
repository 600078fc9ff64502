"""Axes that a call maps over: the arguments' own ones become lead axes, and come back with the results."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.expressions.signatures import Fitted
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import broadcast, describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Axis
from mai.compiler.ops.shapes.shape import Squeeze
from mai.spec.diagnostics import Label


def mapped_axes(e: Context, fitted: Sequence[Fitted], name: str) -> tuple[Axis, ...]:
    """The axes that the call maps over: those of all arguments together, by numpy's rule."""
    sizes: tuple[Size, ...] = ()
    widest: Fitted | None = None
    for each in fitted:
        own = each.value.type.shape[: each.mapped]
        together = broadcast(sizes, own)
        if together is None:
            message = f"`{name}` is mapped over {describe(sizes)} of one argument and {describe(own)} of another"
            where = [Label(widest.span, f"mapped over {describe(sizes)}")] if widest else []
            raise e.fail("shape-mismatch", each.span, message, label=describe(own), where=where)
        widest = each if together != sizes else widest
        sizes = together
    return tuple(Axis(f"m{i}", size, i) for i, size in enumerate(sizes, len(e.axes) + 1))


def led(e: Context, argument: Fitted, axes: tuple[Axis, ...]) -> Value:
    """An argument whose own axes that the call maps over are lead axes; along those of size one it is the same for all."""
    value, own = argument.value, argument.value.type.shape[: argument.mapped]
    ones = [i for i, (size, axis) in enumerate(zip(own, axes, strict=True)) if size == 1 and axis.size != 1]
    if ones:
        value = e.emit(Squeeze, value, axes=tuple(i - value.type.rank for i in ones))
    left = tuple(axis for i, axis in enumerate(axes) if i not in ones)
    return e.builder.lead(value, left) if left else value


def unmapped(e: Context, value: Value, axes: tuple[Axis, ...]) -> Value:
    """A result with the axes that the call was mapped over as the first of its shape."""
    value = e.builder.spread(value, axes) if not set(axes) <= set(value.type.lead) else value
    return e.builder.unlead(value, len(axes))
