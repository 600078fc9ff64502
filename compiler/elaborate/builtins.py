"""The functions that the language knows. What can be said in `.mai` is in the prelude instead.

An implementation takes the elaborator, then its arguments as `BoundArgument`s: the parameter names are the language's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Builtin, is_number
from mai.compiler.elaborate.patterns import einsum_equation, rearranged, reduced
from mai.compiler.elaborate.static import unary_math
from mai.compiler.ir.graph import Initial, Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType
from mai.compiler.ops import attention as at
from mai.compiler.ops import convolution as cv
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import indexing as ix
from mai.compiler.ops import logic, loss, norm
from mai.compiler.ops import product as pr
from mai.compiler.ops import reduce as red
from mai.compiler.ops import shape as sh
from mai.compiler.ops.base import Operation, ShapeError, describe

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
    name = implementation.__name__.rstrip("_")
    BUILTINS[name] = Builtin(name, implementation)
    return implementation


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
    return float(static(e, argument, default, (int, float), "a number"))


def whole(e: Elaborator, argument: Arg | None, default: int) -> int:
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
    def implementation(e: Elaborator, x: Arg) -> Binding:
        if is_number(x.value):
            folded = unary_math(name, x.value)  # type: ignore[arg-type]
            if folded is not None:
                return folded
        value = e.value(x.value, x.span) if op is el.Absolute else e.real(x.value, x.span)
        return e.emit(op, value, name=name, **attributes)

    implementation.__name__ = name
    builtin(implementation)


ELEMENTWISE: dict[str, type[Operation]] = {
    "exp": el.Exp, "log": el.Log, "sqrt": el.Sqrt, "sin": el.Sin, "cos": el.Cos, "tanh": el.Tanh, "erf": el.Erf,
    "sigmoid": el.Sigmoid, "relu": el.Relu, "silu": el.Silu, "gelu": el.Gelu, "softplus": el.Softplus,
    "abs": el.Absolute, "sign": el.Sign, "floor": el.Floor, "stop_gradient": el.StopGradient,
}  # fmt: skip
for _name, _op in ELEMENTWISE.items():
    _elementwise(_name, _op)


@builtin
def leaky_relu(e: Elaborator, x: Arg, slope: Arg | None = None) -> Binding:
    return e.emit(el.LeakyRelu, e.real(x.value, x.span), slope=number(e, slope, 0.01))


def _extreme(name: str, op: type[Operation], fold: Callable[[float, float], float]) -> None:
    def implementation(e: Elaborator, x: Arg, y: Arg) -> Binding:
        if is_number(x.value) and is_number(y.value):
            return fold(x.value, y.value)  # type: ignore[arg-type]
        return e.emit(op, *e.promoted([x.value, y.value], [x.span, y.span]))

    implementation.__name__ = name
    builtin(implementation)


_extreme("maximum", el.Maximum, max)
_extreme("minimum", el.Minimum, min)


@builtin
def where(e: Elaborator, condition: Arg, x: Arg, y: Arg) -> Binding:
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
    def implementation(e: Elaborator, x: Arg, axis: Arg | None = None, keep: Arg | None = None) -> Binding:
        value = e.real(x.value, x.span)
        return e.emit(op, value, axes=axes_of(e, axis, value.type.rank), keep=truth(e, keep, False), name=name)

    implementation.__name__ = name
    builtin(implementation)


REDUCTIONS: dict[str, type[Operation]] = {
    "sum": red.Sum, "mean": red.Mean, "max": red.Max, "min": red.Min, "logsumexp": red.Logsumexp,
}  # fmt: skip
for _name, _op in REDUCTIONS.items():
    _reduction(_name, _op)


def _along(name: str, op: type[Operation]) -> None:
    def implementation(e: Elaborator, x: Arg, axis: Arg | None = None) -> Binding:
        value = e.real(x.value, x.span)
        return e.emit(op, value, axis=axis_of(e, axis, value.type.rank), name=name)

    implementation.__name__ = name
    builtin(implementation)


ALONG: dict[str, type[Operation]] = {
    "softmax": red.Softmax, "log_softmax": red.LogSoftmax, "cumsum": red.Cumsum, "cumprod": red.Cumprod, "argmax": red.Argmax,
    "argsort": ix.Argsort,
}  # fmt: skip
for _name, _op in ALONG.items():
    _along(_name, _op)


# ---------------------------------------------------------------------- shape


@builtin
def concat(e: Elaborator, *parts: Arg, axis: Arg | None = None) -> Binding:
    values = e.promoted([p.value for p in parts], [p.span for p in parts])
    if not values:
        raise ShapeError("missing-argument", "`concat` needs at least one tensor")
    return e.emit(sh.Concat, *values, axis=axis_of(e, axis, values[0].type.rank))


@builtin
def split(e: Elaborator, x: Arg, parts: Arg, axis: Arg | None = None) -> Binding:
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
    return rearranged(e, e.value(x.value, x.span), _pattern(e, pattern), pattern.span, _sizes(e, sizes))


@builtin
def reduce(e: Elaborator, x: Arg, pattern: Arg, by: Arg, **sizes: Arg) -> Binding:
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


# --------------------------------------------------------------------- kernels


@builtin
def affine(e: Elaborator, x: Arg, weight: Arg, bias: Arg | None = None) -> Binding:
    """weight @ x + bias, over the last axis of x."""
    rest = [] if bias is None else [e.real(bias.value, bias.span)]
    return e.emit(pr.Affine, e.real(x.value, x.span), e.real(weight.value, weight.span), *rest)


@builtin
def convolve(
    e: Elaborator, x: Arg, weight: Arg, bias: Arg | None = None, stride: Arg | None = None, padding: Arg | None = None
) -> Binding:
    rest = [] if bias is None else [e.real(bias.value, bias.span)]
    numbers: dict[str, Any] = {"stride": positive(e, stride, 1), "padding": positive(e, padding, 0, least=0)}
    return e.emit(cv.Conv, e.real(x.value, x.span), e.real(weight.value, weight.span), *rest, **numbers)


def _pool(name: str, op: type[Operation]) -> None:
    def implementation(e: Elaborator, x: Arg, size: Arg, stride: Arg | None = None) -> Binding:
        width = positive(e, size, 2)
        return e.emit(op, e.real(x.value, x.span), size=width, stride=positive(e, stride, width), name=name)

    implementation.__name__ = name
    builtin(implementation)


_pool("max_pool", cv.MaxPool)
_pool("avg_pool", cv.AvgPool)


@builtin
def upsample(e: Elaborator, x: Arg, factor: Arg) -> Binding:
    return e.emit(cv.Upsample, e.real(x.value, x.span), factor=positive(e, factor, 2))


@builtin
def normalise_layer(
    e: Elaborator, x: Arg, weight: Arg | None = None, bias: Arg | None = None, eps: Arg | None = None
) -> Binding:
    operands = [e.real(a.value, a.span) for a in (x, weight, bias) if a is not None]
    return e.emit(norm.LayerNorm, *operands, eps=number(e, eps, 1e-5), name="normalise_layer")


@builtin
def normalise_rms(e: Elaborator, x: Arg, weight: Arg | None = None, eps: Arg | None = None) -> Binding:
    operands = [e.real(a.value, a.span) for a in (x, weight) if a is not None]
    return e.emit(norm.RmsNorm, *operands, eps=number(e, eps, 1e-6), name="normalise_rms")


@builtin
def normalise_group(
    e: Elaborator, x: Arg, weight: Arg, bias: Arg, groups: Arg | None = None, eps: Arg | None = None
) -> Binding:
    operands = [e.real(a.value, a.span) for a in (x, weight, bias)]
    return e.emit(norm.GroupNorm, *operands, groups=positive(e, groups, 8), eps=number(e, eps, 1e-5))


@builtin
def normalise_batch(
    e: Elaborator, x: Arg, weight: Arg, bias: Arg, mean: Arg, variance: Arg, training: Arg, eps: Arg | None = None
) -> Binding:
    operands = [e.real(a.value, a.span) for a in (x, weight, bias, mean, variance)]
    numbers: dict[str, Any] = {"eps": number(e, eps, 1e-5), "rank": operands[0].type.rank}
    return e.emit(norm.BatchNorm, *operands, training=truth(e, training, False), **numbers)


@builtin
def attend(
    e: Elaborator, q: Arg, k: Arg, v: Arg, heads: Arg, kv_heads: Arg | None = None, causal: Arg | None = None
) -> Binding:
    """softmax(q k' / sqrt(d)) v, head by head; the heads lie side by side in the last axis (13)."""
    operands = [e.real(a.value, a.span) for a in (q, k, v)]
    count = positive(e, heads, 1)
    numbers: dict[str, Any] = {
        "heads": count,
        "kv_heads": positive(e, kv_heads, count),
        "causal": truth(e, causal, False),
    }
    return e.emit(at.Attention, *operands, **numbers)


@builtin
def rotate(e: Elaborator, x: Arg, heads: Arg, base: Arg | None = None, rates: Arg | None = None) -> Binding:
    """Rotary positions (Su et al. 2021): at position p, pair i turns by p / base^(2 i / d), d the width of a head.

    `rates`, one for each pair, are instead of the powers of the base.
    """
    value, count, period = e.real(x.value, x.span), positive(e, heads, 1), number(e, base, 10000.0)
    if period <= 0:
        raise ShapeError("bad-setting", f"the base of the rotary positions is positive, this is {period:g}", 2)
    width = value.type.shape[1] if value.type.rank == 2 else None
    if not isinstance(width, int) or width == 0 or width % (2 * count):
        shown = describe(value.type.shape)
        raise ShapeError("shape-mismatch", f"{shown} cannot be split into {count} heads of even width", 0, label=shown)
    half = width // count // 2
    if rates is not None and isinstance(rates.value, Value) and rates.value.type.shape != (half,):
        shown = describe(rates.value.type.shape)
        raise e.fail(
            "shape-mismatch", rates.span, f"there are {half} pairs to turn, these rates are {shown}", label=shown
        )
    powers = tuple(period ** (-i / half) for i in range(half))
    turns = e.builder.constant(powers) if rates is None else e.real(rates.value, rates.span)
    position = e.emit(el.ToReal, e.emit(ix.Iota, count=value.type.shape[0], name="position"))
    angle = e.emit(el.Multiply, e.emit(sh.Unsqueeze, position), turns, name="angle")
    return e.emit(at.Rotary, value, e.emit(el.Cos, angle), e.emit(el.Sin, angle), heads=count, name="rotate")


@builtin
def shift(e: Elaborator, x: Arg, by: Arg | None = None, axis: Arg | None = None) -> Binding:
    """x moved on by `by` places along an axis, the first by default; the first places are zeros."""
    value = e.value(x.value, x.span)
    if not value.type.rank:
        raise ShapeError("rank-mismatch", "`shift` needs an axis to move along, this is a scalar", 0)
    place = axis_of(e, axis, value.type.rank, 0)
    return e.emit(ix.Shift, value, axis=place, by=positive(e, by, 1), name="shift")


@builtin
def cross_entropy(e: Elaborator, logits: Arg, label: Arg) -> Binding:
    """-log softmax(logits)[label], over the last axis of the logits."""
    z, y = e.real(logits.value, logits.span), e.value(label.value, label.span)
    if y.type.dtype is not DType.INT:
        raise e.fail(
            "dtype-mismatch", label.span, "the label is an integer, this is real", label=describe(y.type.shape)
        )
    classes = z.type.shape[-1] if z.type.rank else 0
    if isinstance(y.type.classes, int) and isinstance(classes, int) and z.type.rank and y.type.classes > classes:
        message = f"labels below {y.type.classes} need as many logits, here are {classes}"
        raise e.fail("class-range", label.span, message, label=f"class[{y.type.classes}]")
    return e.emit(loss.CrossEntropy, z, y)
