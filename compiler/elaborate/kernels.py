"""Built-in functions that are one operation each, with a kernel of its own: products, convolutions, norms, attention, losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.builtins import Arg, axis_of, builtin, builtin_as, number, positive, truth
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Operation, ShapeError, describe
from mai.compiler.ir.structure import Lead, Unlead
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.losses import loss
from mai.compiler.ops.products import attention as at
from mai.compiler.ops.products import convolution as cv
from mai.compiler.ops.products import product as pr
from mai.compiler.ops.reductions import norm
from mai.compiler.ops.shapes import indexing as ix
from mai.compiler.ops.shapes import shape as sh

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator


@builtin
def affine(e: Elaborator, x: Arg, weight: Arg, bias: Arg | None = None) -> Binding:
    """weight @ x + bias, over the last axis of x."""
    rest = [] if bias is None else [e.real(bias.value, bias.span)]
    return e.emit(pr.Affine, e.real(x.value, x.span), e.real(weight.value, weight.span), *rest)


@builtin
def convolve(
    e: Elaborator, x: Arg, weight: Arg, bias: Arg | None = None, stride: Arg | None = None, padding: Arg | None = None
) -> Binding:
    """An image [k, H, W] with square windows [n, k, size, size] laid over it; stride = 1, padding = 0."""
    rest = [] if bias is None else [e.real(bias.value, bias.span)]
    numbers: dict[str, Any] = {"stride": positive(e, stride, 1), "padding": positive(e, padding, 0, least=0)}
    return e.emit(cv.Conv, e.real(x.value, x.span), e.real(weight.value, weight.span), *rest, **numbers)


def _pool(name: str, op: type[Operation]) -> None:
    @builtin_as(name, f"{op.__doc__} The stride is the size by default.")
    def implementation(e: Elaborator, x: Arg, size: Arg, stride: Arg | None = None) -> Binding:
        width = positive(e, size, 2)
        return e.emit(op, e.real(x.value, x.span), size=width, stride=positive(e, stride, width), name=name)


_pool("max_pool", cv.MaxPool)
_pool("avg_pool", cv.AvgPool)


@builtin
def upsample(e: Elaborator, x: Arg, factor: Arg) -> Binding:
    """Every pixel repeated `factor` times in both directions."""
    return e.emit(cv.Upsample, e.real(x.value, x.span), factor=positive(e, factor, 2))


@builtin
def normalise_layer(
    e: Elaborator, x: Arg, weight: Arg | None = None, bias: Arg | None = None, eps: Arg | None = None
) -> Binding:
    """(x - mean) / sqrt(variance + eps) over the last axis, then * weight + bias: what `layer_norm` is made of."""
    operands = [e.real(a.value, a.span) for a in (x, weight, bias) if a is not None]
    return e.emit(norm.LayerNorm, *operands, eps=number(e, eps, 1e-5), name="normalise_layer")


@builtin
def normalise_rms(e: Elaborator, x: Arg, weight: Arg | None = None, eps: Arg | None = None) -> Binding:
    """x / sqrt(mean(x^2) + eps) over the last axis, then * weight: what `rms_norm` is made of."""
    operands = [e.real(a.value, a.span) for a in (x, weight) if a is not None]
    return e.emit(norm.RmsNorm, *operands, eps=number(e, eps, 1e-6), name="normalise_rms")


@builtin
def normalise_group(
    e: Elaborator, x: Arg, weight: Arg, bias: Arg, groups: Arg | None = None, eps: Arg | None = None
) -> Binding:
    """Over groups of channels and all pixels, then a scale and a shift a channel: what `group_norm` is made of; groups = 8."""
    operands = [e.real(a.value, a.span) for a in (x, weight, bias)]
    return e.emit(norm.GroupNorm, *operands, groups=positive(e, groups, 8), eps=number(e, eps, 1e-5))


@builtin
def normalise_batch(
    e: Elaborator, x: Arg, weight: Arg, bias: Arg, mean: Arg, variance: Arg, training: Arg, eps: Arg | None = None
) -> Binding:
    """Each channel over the batch and all pixels, by running statistics unless in training: what `batch_norm` is made of."""
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
    if _operation_behind(z) is red.Softmax:
        help = "hand over what the softmax is of; of probabilities p, the loss is `-log(p[y])`"
        raise e.fail("softmax-twice", logits.span, "these are probabilities; `cross_entropy` takes logits", help=help)
    return e.emit(loss.CrossEntropy, z, y)


def _operation_behind(value: Value) -> type[Operation] | None:
    """The operation that makes a value, beneath changes of its type; None for an input."""
    node = value.producer
    while node is not None and node.op in (Lead, Unlead):
        node = node.inputs[0].producer
    return None if node is None else node.op
