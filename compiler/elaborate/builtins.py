"""The functions that the language knows. What can be said in `.mai` is in the prelude instead.

An implementation takes the elaborator, then its arguments as `BoundArgument`s: the parameter names are the language's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Builtin, is_number
from mai.compiler.elaborate.patterns import einsum_equation, rearranged, reduced
from mai.compiler.elaborate.static import unary_math
from mai.compiler.ir.graph import Initial, Value
from mai.compiler.ir.operation import Operation, ShapeError
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products import product as pr
from mai.compiler.ops.shapes import indexing as ix
from mai.compiler.ops.shapes import shape as sh

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

Arg = BoundArgument
BUILTINS: dict[str, Binding] = {
    "zeros": Initial("constant", (0.0,)),
    "ones": Initial("constant", (1.0,)),
    "identity": Initial("identity"),
    "pi": 3.141592653589793,
}


def builtin(implementation: Callable[..., Binding]) -> Callable[..., Binding]:
    """Register a built-in function under its Python name, without a trailing underscore."""
    name = implementation.__name__.rstrip("_")
    BUILTINS[name] = Builtin(name, implementation)
    return implementation


def builtin_as(name: str, says: str | None) -> Callable[[Callable[..., Binding]], Callable[..., Binding]]:
    """One of several functions of one form; `says` is what `spec/functions.md` says of it."""

    def register(implementation: Callable[..., Binding]) -> Callable[..., Binding]:
        implementation.__name__, implementation.__doc__ = name, says
        return builtin(implementation)

    return register


def static(e: Elaborator, argument: Arg | None, default: Any, kinds: tuple[type, ...], what: str) -> Any:
    """A compile-time argument of one of `kinds`, or its default."""
    if argument is None:
        return default
    value = argument.value
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        slug = "static-needed" if isinstance(value, Value) else "type-mismatch"
        raise e.fail(slug, argument.span, f"{what} is needed here, fixed when the file is compiled")
    return value


def number(e: Elaborator, argument: Arg | None, default: float) -> float:
    """An argument that is a number when the file is checked."""
    return float(static(e, argument, default, (int, float), "a number"))


def whole(e: Elaborator, argument: Arg | None, default: int) -> int:
    """An argument that is a whole number when the file is checked."""
    return int(static(e, argument, default, (int,), "a whole number"))


def positive(e: Elaborator, argument: Arg | None, default: int, least: int = 1) -> int:
    """A whole number that counts: sizes, strides, heads."""
    made = whole(e, argument, default)
    if made < least and argument is not None:
        raise e.fail(
            "repeat-count", argument.span, f"a whole number of at least {least} is needed here, this is {made}"
        )
    return made


def truth(e: Elaborator, argument: Arg | None, default: bool) -> bool:
    """An argument that is `true` or `false` when the file is checked."""
    return bool(static(e, argument, default, (bool,), "true or false"))


def axis_of(e: Elaborator, argument: Arg | None, rank: int, default: int = -1) -> int:
    """An axis, counted from the end."""
    return _axis(e, whole(e, argument, default), rank, argument)


def _axis(e: Elaborator, axis: int, rank: int, argument: Arg | None) -> int:
    if -rank <= axis < rank:
        return axis if axis < 0 else axis - rank
    if argument is None:
        raise ShapeError("rank-mismatch", "this needs at least one axis, here is a scalar", 0, label="[]")
    raise e.fail(
        "axis-out-of-range", argument.span, f"axis {axis} of a tensor with {rank} {'axis' if rank == 1 else 'axes'}"
    )


def axes_of(e: Elaborator, argument: Arg | None, rank: int) -> tuple[int, ...]:
    """One axis or several, counted from the end; all of them by default."""
    if argument is None:
        return tuple(range(-rank, 0))
    given = argument.value if isinstance(argument.value, list) else [argument.value]
    return tuple(_axis(e, whole(e, replace(argument, value=a), -1), rank, argument) for a in given)


# ------------------------------------------------------- functions of elements


def _elementwise(name: str, op: type[Operation], **attributes: Any) -> None:
    @builtin_as(name, op.__doc__)
    def implementation(e: Elaborator, x: Arg) -> Binding:
        if is_number(x.value):
            folded = unary_math(name, x.value)  # type: ignore[arg-type]
            if folded is not None:
                return folded
        value = e.value(x.value, x.span) if op is el.Absolute else e.real(x.value, x.span)
        return e.emit(op, value, name=name, **attributes)


ELEMENTWISE: dict[str, type[Operation]] = {
    "exp": el.Exp, "log": el.Log, "sqrt": el.Sqrt, "sin": el.Sin, "cos": el.Cos, "tanh": el.Tanh, "erf": el.Erf,
    "sigmoid": el.Sigmoid, "relu": el.Relu, "silu": el.Silu, "gelu": el.Gelu, "softplus": el.Softplus,
    "abs": el.Absolute, "sign": el.Sign, "floor": el.Floor, "stop_gradient": el.StopGradient,
}  # fmt: skip
for _name, _op in ELEMENTWISE.items():
    _elementwise(_name, _op)


@builtin
def leaky_relu(e: Elaborator, x: Arg, slope: Arg | None = None) -> Binding:
    """x where it is positive, slope * x elsewhere; slope = 0.01."""
    return e.emit(el.LeakyRelu, e.real(x.value, x.span), slope=number(e, slope, 0.01))


def _extreme(name: str, op: type[Operation], fold: Callable[[float, float], float]) -> None:
    @builtin_as(name, op.__doc__)
    def implementation(e: Elaborator, x: Arg, y: Arg) -> Binding:
        if is_number(x.value) and is_number(y.value):
            return fold(x.value, y.value)  # type: ignore[arg-type]
        return e.emit(op, *e.promoted([x.value, y.value], [x.span, y.span]))


_extreme("maximum", el.Maximum, max)
_extreme("minimum", el.Minimum, min)


@builtin
def where(e: Elaborator, condition: Arg, x: Arg, y: Arg) -> Binding:
    """x where the condition holds, y elsewhere."""
    chosen = e.truth(condition.value, condition.span)
    a, b = e.promoted([x.value, y.value], [x.span, y.span])
    made = e.emit(logic.Where, chosen, a, b)
    bounds = [_labels(x.value), _labels(y.value)]
    if made.type.dtype is DType.INT and all(isinstance(b, int) for b in bounds):
        made.type = replace(made.type, classes=max(b for b in bounds if isinstance(b, int)))
    return made


def _labels(given: Binding) -> Size | None:
    """How many labels there must be for an integer to be one of them."""
    return (
        given + 1 if isinstance(given, int) and given >= 0 else given.type.classes if isinstance(given, Value) else None
    )


# ------------------------------------------------------------------- reductions


def _reduction(name: str, op: type[Operation]) -> None:
    @builtin_as(name, op.__doc__)
    def implementation(e: Elaborator, x: Arg, axis: Arg | None = None, keep: Arg | None = None) -> Binding:
        value = e.real(x.value, x.span)
        return e.emit(op, value, axes=axes_of(e, axis, value.type.rank), keep=truth(e, keep, False), name=name)


REDUCTIONS: dict[str, type[Operation]] = {
    "sum": red.Sum, "mean": red.Mean, "max": red.Max, "min": red.Min, "logsumexp": red.Logsumexp,
}  # fmt: skip
for _name, _op in REDUCTIONS.items():
    _reduction(_name, _op)


def _along(name: str, op: type[Operation]) -> None:
    @builtin_as(name, op.__doc__)
    def implementation(e: Elaborator, x: Arg, axis: Arg | None = None) -> Binding:
        value = e.real(x.value, x.span)
        return e.emit(op, value, axis=axis_of(e, axis, value.type.rank), name=name)


ALONG: dict[str, type[Operation]] = {
    "softmax": red.Softmax, "log_softmax": red.LogSoftmax, "cumsum": red.Cumsum, "cumprod": red.Cumprod, "argmax": red.Argmax,
    "argsort": ix.Argsort,
}  # fmt: skip
for _name, _op in ALONG.items():
    _along(_name, _op)


# ---------------------------------------------------------------------- shape


@builtin
def concat(e: Elaborator, *parts: Arg, axis: Arg | None = None) -> Binding:
    """Tensors one after the other along an axis, the last by default."""
    values = e.promoted([p.value for p in parts], [p.span for p in parts])
    if not values:
        raise ShapeError("missing-argument", "`concat` needs at least one tensor")
    _check_joinable(values, parts)
    return e.emit(sh.Concat, *values, axis=axis_of(e, axis, values[0].type.rank))


def _check_joinable(values: list[Value], parts: Sequence[Arg]) -> None:
    scalars = [i for i, value in enumerate(values) if not value.type.rank]
    if scalars:
        text = parts[scalars[0]].span.text
        vectors = all(value.type.rank <= 1 for value in values)
        help = f"a scalar is a vector of one number: `[{text if text.isidentifier() else 's'}]`" if vectors else None
        message = "`concat` joins tensors along an axis, this is a scalar"
        raise ShapeError("rank-mismatch", message, scalars[0], label="[]", help=help)


@builtin
def split(e: Elaborator, x: Arg, parts: Arg, axis: Arg | None = None) -> Binding:
    """So many equal parts along an axis, the last by default: `(q, k, v) = split(y, 3)`."""
    value, count = e.value(x.value, x.span), positive(e, parts, 1)
    along = axis_of(e, axis, value.type.rank)
    size = value.type.shape[along]
    if count < 1 or not isinstance(size, int) or size % count:
        raise e.fail("shape-mismatch", parts.span, f"an axis of {size} cannot be split into {count} equal parts")
    step = size // count
    return tuple(
        e.emit(ix.Slice, value, axis=along, start=i * step, stop=(i + 1) * step, step=None) for i in range(count)
    )


@builtin
def rearrange(e: Elaborator, x: Arg, pattern: Arg, **sizes: Arg) -> Binding:
    """Axes joined, split and moved by an einops pattern: `rearrange(x, "p (h k) -> h p k", h = 4)`."""
    return rearranged(e, e.value(x.value, x.span), _pattern(e, pattern), pattern.span, _sizes(e, sizes))


@builtin
def reduce(e: Elaborator, x: Arg, pattern: Arg, by: Arg, **sizes: Arg) -> Binding:
    """`rearrange`, where axes that the right side lacks are reduced by "mean", "sum", "max" or "min"."""
    kinds = {"mean": red.Mean, "sum": red.Sum, "max": red.Max, "min": red.Min}
    op = kinds.get(str(by.value)) if isinstance(by.value, str) else None
    if op is None:
        raise e.fail("bad-pattern", by.span, 'the reduction is "mean", "sum", "max" or "min"')
    return reduced(e, e.real(x.value, x.span), _pattern(e, pattern), op, pattern.span, _sizes(e, sizes))


def _pattern(e: Elaborator, pattern: Arg) -> str:
    return str(static(e, pattern, None, (str,), "a pattern in quotes"))


def _sizes(e: Elaborator, sizes: dict[str, Arg]) -> dict[str, Size]:
    return {name: e.size(a.value, a.span) for name, a in sizes.items()}


@builtin
def einsum(e: Elaborator, *operands: Arg) -> Binding:
    """A sum of products over named axes, their names apart by spaces: `einsum("i k, k j -> i j", x, y)`."""
    if len(operands) < 2:
        raise ShapeError("missing-argument", "`einsum` needs a pattern and tensors")
    values = [e.real(a.value, a.span) for a in operands[1:]]
    equation = einsum_equation(e, _pattern(e, operands[0]), [v.type.rank for v in values], operands[0].span)
    return e.emit(pr.Einsum, *values, equation=equation)


@builtin
def linspace(e: Elaborator, start: Arg, stop: Arg, count: Arg) -> Binding:
    """`count` numbers from `start` to `stop`, both included."""
    size = e.size(count.value, count.span, "the count")
    index = e.emit(el.ToReal, e.emit(ix.Iota, count=size))
    first, last = e.real(start.value, start.span), e.real(stop.value, stop.span)
    steps = e.real(size - 1 if size != 1 else 1, count.span)
    return e.emit(el.Add, first, e.emit(el.Multiply, index, e.emit(el.Divide, e.emit(el.Subtract, last, first), steps)))


@builtin
def range_(e: Elaborator, count: Arg) -> Binding:
    """The integers 0 to count - 1."""
    size = e.size(count.value, count.span, "the count")
    made = e.emit(ix.Iota, count=size)
    made.type = replace(made.type, classes=size)
    return made
