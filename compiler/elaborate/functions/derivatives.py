"""Derivatives as functions of the language: of values, `grad(e, x)`, and of functions at places, `jvp(f, (x, t), (v, 1))`.

A function is computed at copies of its places, so that only what it does itself is differentiated: not that one place may have
been computed from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Builtin, Distribution, Function, Partial, is_number
from mai.compiler.elaborate.functions.arguments import positive
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.functions.independence import check_dependence
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import Size, product
from mai.compiler.ir.structure import Gradient, Pushforward
from mai.compiler.ir.types import DType, join_leads
from mai.compiler.ops.elementwise import Multiply, Place, ToReal
from mai.compiler.ops.elementwise.logic import Equal, Less, Where
from mai.compiler.ops.reductions import Mean, Sum
from mai.compiler.ops.shapes.indexing import Iota
from mai.compiler.ops.shapes.shape import Reshape, Transpose, Unsqueeze

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

MOST_DIRECTIONS = 4096
Callee = Function | Builtin | Partial


@builtin(Section.DERIVATIVES)
def grad(e: Elaborator, value: Arg, x: Arg) -> Binding:
    """The gradient of a scalar with respect to x."""
    a, b = e.real(value.value, value.span), e.real(x.value, x.span)
    if a.type.rank:
        raise ShapeError("rank-mismatch", f"`grad` differentiates a scalar, this is {describe(a.type.shape)}", 0)
    check_dependence(e, "grad", value, x, a, b)
    return _gradient(e, a, b)


@builtin(Section.DERIVATIVES, form="jvp(y, x, direction) or jvp(f, places, directions)")
def jvp(e: Elaborator, value: Arg, x: Arg, direction: Arg) -> Binding:
    """The derivative of a value along a direction of x; of a function at places: its value there, and that derivative."""
    if _is_function(value.value):
        at = _Placed(e, value, x)
        return (*at.results, *(at.along(result, direction) for result in at.results))
    a, b, t = (e.real(i.value, i.span) for i in (value, x, direction))
    if b.type.shape != t.type.shape:
        raise ShapeError(
            "shape-mismatch", f"a direction of x is {describe(b.type.shape)}", 2, label=describe(t.type.shape)
        )
    check_dependence(e, "jvp", value, x, a, b)
    return _along(e, a, [b], [t])


@builtin(Section.DERIVATIVES, form="vjp(y, x, cotangent) or vjp(f, places, cotangent)")
def vjp(e: Elaborator, value: Arg, x: Arg, cotangent: Arg) -> Binding:
    """The gradient of sum(cotangent * y) with respect to x; of a function at places: its value, and one gradient for each."""
    at = _Placed(e, value, x)
    result = at.only()
    c = e.real(cotangent.value, cotangent.span)
    if c.type.shape != result.type.shape:
        message = f"a cotangent of y is {describe(result.type.shape)}"
        raise ShapeError("shape-mismatch", message, 2, label=describe(c.type.shape))
    gradients = [_gradient(e, result, place, c) for place in at.places]
    return (result, *gradients) if at.is_function else gradients[0]


@builtin(Section.DERIVATIVES, form="jacobian(y, x) or jacobian(f, places)")
def jacobian(e: Elaborator, value: Arg, x: Arg) -> Binding:
    """All derivatives of y, or of a function at places, with respect to x, or its first place: [of y..., of x...]."""
    at = _Placed(e, value, x)
    return _jacobian(e, at.only(), at.places[0], x)


@builtin(Section.DERIVATIVES, form="hessian(y, x) or hessian(f, places)")
def hessian(e: Elaborator, value: Arg, x: Arg) -> Binding:
    """The second derivatives of a scalar, or of a function at places, with respect to x, or its first place: [of x..., of x...]."""
    at = _Placed(e, value, x)
    return _jacobian(e, _gradient(e, at.scalar("hessian"), at.places[0]), at.places[0], x)


@builtin(Section.DERIVATIVES, form="laplacian(y, x, probes?) or laplacian(f, places, probes?)")
def laplacian(e: Elaborator, value: Arg, x: Arg, probes: Arg | None = None) -> Binding:
    """The divergence of the gradient of a scalar, or of a function at places, by x, or its first place; `probes` as of `div`."""
    at = _Placed(e, value, x)
    return _divergence(e, _gradient(e, at.scalar("laplacian"), at.places[0]), at.places[0], x, probes)


@builtin(Section.DERIVATIVES)
def div(e: Elaborator, v: Arg, x: Arg, probes: Arg | None = None) -> Binding:
    """The divergence of v at x, as in (11): exactly, or with `probes` random directions (Hutchinson 1990)."""
    a, b = e.real(v.value, v.span), e.real(x.value, x.span)
    if a.type.shape != b.type.shape:
        message = f"`div` needs a field and a point of one shape: {describe(a.type.shape)} and {describe(b.type.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(b.type.shape))
    check_dependence(e, "div", v, x, a, b)
    return _divergence(e, a, b, x, probes)


def _divergence(e: Elaborator, a: Value, b: Value, x: Arg, probes: Arg | None) -> Value:
    directions = _basis(e, b.type.shape, x) if probes is None else _probes(e, b.type.shape, positive(e, probes, 1))
    axis = e.direction(directions.type.shape[0])
    along = e.builder.lead(directions, (axis,))
    moved = e.emit(Multiply, _along(e, a, [b], [along]), along)
    each = e.emit(Sum, moved, axes=tuple(range(-b.type.rank, 0))) if b.type.rank else moved
    freed = e.builder.unlead(e.builder.spread(each, (axis,)), 1)
    return e.emit(Sum if probes is None else Mean, freed, axes=(-1,), name="div")


def _jacobian(e: Elaborator, y: Value, place: Value, x: Arg) -> Value:
    """[of y..., of x...]: along each direction of x, or back from each number of y, where these are fewer."""
    out, inner = y.type.shape, place.type.shape
    if not out:
        return _gradient(e, y, place)
    if not inner:
        return _along(e, y, [place], [e.builder.constant(1.0)])
    most, count = product(out), product(inner)
    if isinstance(most, int) and (not isinstance(count, int) or most < count):
        units = _basis(e, out, x)
        axis = e.direction(most)
        back = _gradient(e, y, place, e.builder.lead(units, (axis,)))
        rows = e.builder.unlead(e.builder.spread(back, (axis,)), 1)
    else:
        units = _basis(e, inner, x)
        axis = e.direction(units.type.shape[0])
        moved = _along(e, y, [place], [e.builder.lead(units, (axis,))])
        columns = e.builder.unlead(e.builder.spread(moved, (axis,)), 1)
        rows = e.emit(Transpose, columns, perm=(*range(-len(out), 0), -len(out) - 1))
    return e.emit(Reshape, rows, shape=(*out, *inner), name="jacobian")


def _gradient(e: Elaborator, y: Value, x: Value, *cotangent: Value) -> Value:
    """The gradient by x of a scalar y, or of the sum of y times a `cotangent`, which is held still."""
    type_ = x.type.with_lead(join_leads([v.type for v in (y, x, *cotangent)]))
    return e.builder.add(Gradient(), [y, x, *cotangent], [type_], name="grad").output


def _along(e: Elaborator, value: Value, xs: Sequence[Value], directions: Sequence[Value]) -> Value:
    type_ = value.type.with_lead(join_leads([v.type for v in (value, *xs, *directions)]))
    return e.builder.add(Pushforward(), [value, *xs, *directions], [type_], name="jvp").output


def _basis(e: Elaborator, shape: tuple[Size, ...], x: Arg) -> Value:
    """The unit directions of a shape, one after the other."""
    count = product(shape)
    if not isinstance(count, int):
        message = "an exact divergence goes through the axes one by one: their number must be known"
        raise e.fail("dimension-unknown", x.span, message, label=describe(shape), help="write `div(v, x, probes = 8)`")
    if count > MOST_DIRECTIONS:
        message = f"an exact divergence of {count:,} numbers takes as many derivatives"
        raise e.fail("dimension-too-large", x.span, message, help="write `div(v, x, probes = 8)`")
    places = e.emit(Iota, count=count)
    unit = e.emit(ToReal, e.emit(Equal, e.emit(Unsqueeze, places, axes=(-1,)), places))
    return unit if len(shape) == 1 else e.emit(Reshape, unit, shape=(count, *shape))


def _probes(e: Elaborator, shape: tuple[Size, ...], count: int) -> Value:
    """Random signs: of all probes, those with the least variance."""
    uniform = e.draws.drawn("probes", Distribution("uniform", (count, *shape), (0.0, 1.0), e.builder.span))  # type: ignore[arg-type]
    is_low = e.emit(Less, uniform, e.builder.constant(0.5))
    return e.emit(Where, is_low, e.builder.constant(-1.0), e.builder.constant(1.0))


# ------------------------------------------------------- functions at places


def _is_function(binding: Binding) -> TypeGuard[Callee]:
    return isinstance(binding, (Function, Builtin, Partial))


class _Placed:
    """A function at copies of its places, or a value and what it was computed from."""

    def __init__(self, e: Elaborator, value: Arg, x: Arg) -> None:
        self.e, self.value, self.x = e, value, x
        self.is_function = _is_function(value.value)
        if not _is_function(value.value):
            y, place = e.real(value.value, value.span), e.real(x.value, x.span)
            check_dependence(e, "jacobian", value, x, y, place)
            self.results: tuple[Value, ...] = (y,)
            self.operands = [place]
            return
        places = x.value if isinstance(x.value, tuple) else (x.value,)
        self.operands = [self._place(binding) for binding in places]
        results = e.calls.call(value.value, [BoundArgument(None, v, x.span) for v in self.operands], value.span)
        self.results = tuple(e.real(r, value.span) for r in (results if isinstance(results, tuple) else (results,)))

    @property
    def places(self) -> list[Value]:
        """The places that are real."""
        return [v for v in self.operands if v.type.dtype is DType.REAL]

    def _place(self, binding: Binding) -> Value:
        """A place: whole numbers and labels as they are, since there is no direction to move them in."""
        value = self.e.real(binding, self.x.span) if is_number(binding) else self.e.value(binding, self.x.span)
        if value.type.dtype is not DType.REAL:
            return value
        self.e.places_apart += 1
        return self.e.emit(Place, value, number=self.e.places_apart, name=value.name)

    def only(self) -> Value:
        """The one result."""
        if len(self.results) != 1:
            message = f"a derivative of one result is taken here, `{self.value.span.text}` has {len(self.results)}"
            raise self.e.fail("type-mismatch", self.value.span, message)
        if not self.places:
            raise self.e.fail("dtype-mismatch", self.x.span, "a derivative is taken at real numbers")
        return self.results[0]

    def scalar(self, name: str) -> Value:
        """The one result, which is a number."""
        result = self.only()
        if result.type.rank:
            message = f"`{name}` differentiates a scalar, this is {describe(result.type.shape)}"
            raise ShapeError("rank-mismatch", message, 0)
        return result

    def along(self, result: Value, directions: Arg) -> Value:
        """The derivative of a result along a direction for each place; a 0 says that it stays where it is."""
        e, wanted = self.e, directions.value if isinstance(directions.value, tuple) else (directions.value,)
        if len(wanted) != len(self.operands):
            message = f"one direction for each place is needed, {len(self.operands)}, here are {len(wanted)}"
            raise e.fail("shape-mismatch", directions.span, message)
        moving = [(p, d) for p, d in zip(self.operands, wanted, strict=True) if not (is_number(d) and d == 0)]
        pairs = [(place, self._direction(place, d, directions)) for place, d in moving]
        if not pairs:
            return e.builder.spread(e.emit(Multiply, result, e.builder.constant(0.0)), result.type.lead)
        return _along(e, result, [p for p, _ in pairs], [d for _, d in pairs])

    def _direction(self, place: Value, binding: Binding, directions: Arg) -> Value:
        if place.type.dtype is not DType.REAL:
            raise self.e.fail(
                "dtype-mismatch", directions.span, "whole numbers and labels stay where they are: write 0"
            )
        direction = self.e.real(binding, directions.span)
        if direction.type.shape != place.type.shape:
            message = (
                f"a direction of this place is {describe(place.type.shape)}, this is {describe(direction.type.shape)}"
            )
            raise self.e.fail("shape-mismatch", directions.span, message, label=describe(direction.type.shape))
        return direction
