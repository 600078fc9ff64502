"""The shape of a draw, and the formulas of its distribution mapped over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Distribution, Function
from mai.compiler.elaborate.random.families import family_of, without_last
from mai.compiler.elaborate.standard_layers import formula
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import broadcast, describe
from mai.compiler.ir.sizes import Size
from mai.compiler.ops.elementwise import Divide
from mai.compiler.ops.shapes.shape import Expand
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.context import Context

Shape = tuple[Size, ...]


def draw_shape(e: Context, q: Distribution) -> Shape:
    """The shape of one draw."""
    own = family_of(q.kind).rank
    if q.kind == "mixture":
        inner = draw_shape(e, components_of(q))
        return (*each_of(e, q), *inner[e.value(q.numbers[0], q.span).type.rank :])
    each = each_of(e, q)
    return (*each, *e.real(q.numbers[0], q.span).type.shape[-own:]) if own else each


def each_of(e: Context, q: Distribution) -> Shape:
    """The axes along which a draw is of so many of its kind, each on its own."""
    family, shape = family_of(q.kind), q.shape
    for parameter, number in zip(family.parameters, q.numbers, strict=False):
        value = e.real(number, q.span)
        if value.type.rank < parameter.axes:
            wanted = "a vector" if parameter.axes == 1 else "a matrix"
            message = f"`{parameter.name}` of `{q.kind}` is {wanted}, this is {describe(value.type.shape)}"
            raise e.fail("rank-mismatch", q.span, message)
        joined = broadcast(shape, without_last(value.type.shape, parameter.axes))
        if joined is None:
            message = f"{describe(shape)} and {describe(value.type.shape)} are no shapes of one draw"
            raise e.fail("shape-mismatch", q.span, message)
        shape = joined
    if q.kind == "mixture":
        _checkcomponents_of(e, q, shape)
    return shape


def _checkcomponents_of(e: Context, q: Distribution, each: Shape) -> None:
    logits, inner = e.value(q.numbers[0], q.span).type.shape, draw_shape(e, components_of(q))
    if inner[: len(logits)] != logits:
        message = f"the components' shape begins with that of the logits, {describe(logits)}; it is {describe(inner)}"
        raise e.fail("shape-mismatch", q.span, message)


def components_of(q: Distribution) -> Distribution:
    """What a mixture is of."""
    inner = q.numbers[1]
    assert isinstance(inner, Distribution), "a mixture is of a distribution"
    return inner


def parameters_of(e: Context, q: Distribution, each: Shape, is_whole: bool = False) -> list[Value]:
    """The parameters as tensors: numbers stay numbers unless all are to be `is_whole`, others have one for each that is drawn."""
    family = family_of(q.kind)
    values = [e.real(number, q.span) for _, number in zip(family.parameters, q.numbers, strict=False)]
    if q.kind == "categorical":
        values = [_plain_logits(e, q, values[0])]
    pairs = zip(family.parameters, values, strict=True)
    return [_expanded(e, v, each, p.axes, is_whole) for p, v in pairs]


def _expanded(e: Context, value: Value, each: Shape, rank: int, is_whole: bool) -> Value:
    wanted = (*each, *value.type.shape[value.type.rank - rank :])
    stays = value.type.shape == wanted or not (value.type.rank or is_whole)
    return value if stays else e.emit(Expand, value, shape=wanted)


def _plain_logits(e: Context, q: Distribution, logits: Value) -> Value:
    """The logits over their temperature; of what rules labels out there is no density."""
    if len(q.numbers) > 2:
        raise e.fail("no-closed-form", q.span, "with labels ruled out, a `categorical` has no density here")
    return e.emit(Divide, logits, e.real(q.numbers[1], q.span))


def apply(e: Context, layer: Binding, operands: Sequence[Value], shape: Shape, span: Span) -> Value:
    """A formula of the prelude, mapped over `shape`."""
    binding = e.calls.call(layer, [BoundArgument(None, v, span) for v in operands], span)
    result = e.value(binding, span)
    return result if result.type.shape == shape else e.emit(Expand, result, shape=shape)


def formula_of(kind: str, what: str) -> Function | None:
    """A family's formula in the prelude; None where it has none."""
    return formula(f"_{kind}_{what}")
