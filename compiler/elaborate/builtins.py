"""The functions that the language knows. What can be said in `.mai` is in the prelude instead.

An implementation takes the elaborator, then its arguments as `BoundArgument`s: the parameter names are the language's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Builtin, Distribution, is_number
from mai.compiler.elaborate.patterns import einsum_equation, rearranged, reduced
from mai.compiler.elaborate.static import unary_math
from mai.compiler.ir.graph import Initial, Value
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.types import BATCH_DEPTH, DType, Type, join_leads
from mai.compiler.ops import attention as at
from mai.compiler.ops import convolution as cv
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import logic, loss, norm
from mai.compiler.ops import product as pr
from mai.compiler.ops import reduce as red
from mai.compiler.ops import shape as sh
from mai.compiler.ops.base import Operation, ShapeError, describe
from mai.compiler.ops.structure import Across, Later

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
        raise e.fail("repeat-count", argument.span, f"a whole number of at least {least} is needed here, this is {made}")
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
    raise e.fail("axis-out-of-range", argument.span, f"axis {axis} of a tensor with {rank} {'axis' if rank == 1 else 'axes'}")


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
    "abs": el.Absolute, "sign": el.Sign, "floor": el.Floor,
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
    return given + 1 if isinstance(given, int) and given >= 0 else given.type.classes if isinstance(given, Value) else None


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
    return tuple(e.emit(sh.Slice, value, axis=along, start=i * step, stop=(i + 1) * step, step=None) for i in range(count))


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
    index = e.emit(el.ToReal, e.emit(sh.Iota, count=size))
    first, last = e.real(start.value, start.span), e.real(stop.value, stop.span)
    steps = e.real(size - 1 if size != 1 else 1, count.span)
    return e.emit(el.Add, first, e.emit(el.Multiply, index, e.emit(el.Divide, e.emit(el.Subtract, last, first), steps)))


@builtin
def range_(e: Elaborator, count: Arg) -> Binding:
    """The integers 0 to count - 1."""
    size = e.size(count.value, count.span, "the count")
    made = e.emit(sh.Iota, count=size)
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


def _normalise(name: str, op: type[Operation], **defaults: float) -> None:
    def implementation(
        e: Elaborator, x: Arg, weight: Arg | None = None, bias: Arg | None = None, eps: Arg | None = None
    ) -> Binding:
        operands = [e.real(a.value, a.span) for a in (x, weight, bias) if a is not None]
        return e.emit(op, *operands, eps=number(e, eps, defaults["eps"]), name=name)

    implementation.__name__ = name
    builtin(implementation)


_normalise("normalise_layer", norm.LayerNorm, eps=1e-5)
_normalise("normalise_rms", norm.RmsNorm, eps=1e-6)


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
    numbers: dict[str, Any] = {"heads": count, "kv_heads": positive(e, kv_heads, count), "causal": truth(e, causal, False)}
    return e.emit(at.Attention, *operands, **numbers)


@builtin
def rotate(e: Elaborator, x: Arg, heads: Arg, base: Arg | None = None) -> Binding:
    """Rotary positions (Su et al. 2021)."""
    return e.emit(at.Rotary, e.real(x.value, x.span), heads=positive(e, heads, 1), base=number(e, base, 10000.0))


@builtin
def cross_entropy(e: Elaborator, logits: Arg, label: Arg) -> Binding:
    """-log softmax(logits)[label], over the last axis of the logits."""
    z, y = e.real(logits.value, logits.span), e.value(label.value, label.span)
    if y.type.dtype is not DType.INT:
        raise e.fail("dtype-mismatch", label.span, "the label is an integer, this is real", label=describe(y.type.shape))
    classes = z.type.shape[-1] if z.type.rank else 0
    if isinstance(y.type.classes, int) and isinstance(classes, int) and z.type.rank and y.type.classes > classes:
        message = f"labels below {y.type.classes} need as many logits, here are {classes}"
        raise e.fail("class-range", label.span, message, label=f"class[{y.type.classes}]")
    return e.emit(loss.CrossEntropy, z, y)


# ---------------------------------------------------------------- distributions

DEFAULT_NUMBERS: dict[str, tuple[float, ...] | None] = {
    "normal": (0.0, 1.0), "uniform": (0.0, 1.0), "bernoulli": (0.5,), "integers": None,
}  # fmt: skip


def _distribution(kind: str, *names: str) -> None:
    def implementation(e: Elaborator, *positional: Arg, **named: Arg) -> Binding:
        given = list(positional)
        shape: tuple[Size, ...] = ()
        if given and isinstance(given[0].value, list):
            first = given.pop(0)
            shape = tuple(e.size(s, first.span) for s in first.value)  # type: ignore[union-attr]
        for name in names[len(given) :]:
            if name in named:
                given.append(named.pop(name))
        if named:
            wrong = next(iter(named.values()))
            raise e.unknown_argument(kind, wrong.name or "", wrong.name_span or wrong.span, names)
        if len(given) > len(names):
            raise e.fail("too-many-arguments", given[len(names)].span, f"`{kind}` takes {', '.join(names)}")
        defaults = DEFAULT_NUMBERS[kind]
        if defaults is None and len(given) < len(names):
            raise ShapeError("missing-argument", f"`{kind}` needs {' and '.join(names)}")
        numbers = [a.value for a in given] + list((defaults or ())[len(given) :])
        return Distribution(kind, shape, tuple(numbers), e.builder.span)  # type: ignore[arg-type]

    implementation.__name__ = kind
    builtin(implementation)


_distribution("normal", "mean", "std")
_distribution("uniform", "low", "high")
_distribution("bernoulli", "p")
_distribution("integers", "low", "high")


@builtin
def categorical(
    e: Elaborator, logits: Arg, top_k: Arg | None = None, top_p: Arg | None = None, min_p: Arg | None = None
) -> Binding:
    """A label with the probabilities softmax(logits)."""
    values = [e.real(logits.value, logits.span)]
    values += [e.value(a.value, a.span) for a in (top_k, top_p, min_p) if a is not None]
    if values[0].type.rank != 1:
        raise ShapeError("rank-mismatch", f"`categorical` takes the logits [K] of one label, this is {describe(values[0].type.shape)}", 0)
    made = later(e, "categorical", values, Type(DType.INT, (), classes=values[0].type.shape[0]))
    return Distribution("categorical", (), (made,), e.builder.span)  # type: ignore[arg-type]


# ------------------------------------------- batches, derivatives, transport


@builtin
def across(e: Elaborator, x: Arg) -> Binding:
    """The batch axis as the first axis of the shape (train blocks only)."""
    if not e.in_train_block:
        raise e.fail("across-outside-train", x.span, "`across` compares examples: only a train block has several")
    value = e.value(x.value, x.span)
    if not any(a.depth == BATCH_DEPTH for a in value.type.lead):
        value = e.builder.spread(value, (e.batch_axis,))
    lead = tuple(a for a in value.type.lead if a.depth != BATCH_DEPTH)
    type_ = Type(value.type.dtype, (symbol("batch"), *value.type.shape), lead, value.type.classes)
    return e.builder.add(Across, [value], {}, [type_]).output


def later(e: Elaborator, construct: str, inputs: list[Value], type: Type) -> Value:
    """A construct that is checked but does not execute yet."""
    lead = join_leads([v.type for v in inputs])
    return e.builder.add(Later, inputs, {"construct": construct}, [type.with_lead(lead)], name=construct).output


@builtin
def div(e: Elaborator, v: Arg, x: Arg, probes: Arg | None = None) -> Binding:
    """The divergence of v at x, as in (11)."""
    a, b = e.real(v.value, v.span), e.real(x.value, x.span)
    if a.type.shape != b.type.shape:
        message = f"`div` needs a field and a point of one shape: {describe(a.type.shape)} and {describe(b.type.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(b.type.shape))
    return later(e, "div", [a, b], Type(DType.REAL))


@builtin
def grad(e: Elaborator, value: Arg, x: Arg) -> Binding:
    """The gradient of a scalar with respect to x."""
    a, b = e.real(value.value, value.span), e.real(x.value, x.span)
    if a.type.rank:
        raise ShapeError("rank-mismatch", f"`grad` differentiates a scalar, this is {describe(a.type.shape)}", 0)
    return later(e, "grad", [a, b], b.type)


@builtin
def jvp(e: Elaborator, value: Arg, x: Arg, direction: Arg) -> Binding:
    """The derivative of a value along a direction of x."""
    a, b, t = (e.real(i.value, i.span) for i in (value, x, direction))
    if b.type.shape != t.type.shape:
        raise ShapeError("shape-mismatch", f"a direction of x is {describe(b.type.shape)}", 2, label=describe(t.type.shape))
    return later(e, "jvp", [a, b, t], a.type)


@builtin
def sinkhorn_divergence(
    e: Elaborator, x: Arg, y: Arg, epsilon: Arg | None = None, iterations: Arg | None = None
) -> Binding:
    """The debiased entropic transport cost between two clouds of points (9)."""
    a, b = e.real(x.value, x.span), e.real(y.value, y.span)
    for operand, value in enumerate((a, b)):
        if value.type.rank != 2:
            raise ShapeError("rank-mismatch", f"a cloud of points is [N, d], this is {describe(value.type.shape)}", operand)
    if a.type.shape[1] != b.type.shape[1]:
        raise ShapeError("dimension-mismatch", "the points of the two clouds differ in dimension", 1)
    number(e, epsilon, 0.05), positive(e, iterations, 50)
    return later(e, "sinkhorn_divergence", [a, b], Type(DType.REAL))


