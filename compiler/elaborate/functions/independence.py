"""Derivatives that are zero for every input: what is derived was not computed from that by which it is derived."""

from __future__ import annotations

from mai.compiler.elaborate.bindings import BoundArgument
from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Value, values_behind
from mai.spec.diagnostics import Change, Edit, Help


def check_dependence(
    e: Context, function: str, derived: BoundArgument, by: BoundArgument, value: Value, x: Value
) -> None:
    """Refuse a derivative of `value` by an `x` that it does not depend on.

    Raises:
        Stop: `zero-derivative` was reported, with the swap as its help where that is a derivative.
    """
    if depends(e, value, x):
        return
    message = f"`{derived.span.text}` does not depend on `{by.span.text}`: this derivative is 0 for every input"
    help: Help = f"`{by.span.text}` has to be what `{derived.span.text}` is computed from"
    if depends(e, x, value):
        words = f"what is derived comes first: write `{function}({by.span.text}, {derived.span.text})`"
        help = Edit(words, (Change(derived.span, by.span.text), Change(by.span, derived.span.text)))
    raise e.fail("zero-derivative", by.span, message, label="not part of it", help=help)


def depends(e: Context, value: Value, x: Value) -> bool:
    """Whether a value is computed from x. The states of a loop may be, where x lies outside of the loop."""
    e.looks_behind += 1
    is_inside = x in e.builder.region.inputs or x.producer in e.builder.region.nodes
    fixed = {*e.graph.inputs, *(setting.value for setting in e.graph.settings.values())}
    for each in values_behind(value):
        if each is x or (each.producer is None and not is_inside and each not in fixed):
            return True
    return False
