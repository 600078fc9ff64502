"""Functions that are more than one operation and take more than tensors and numbers: patterns, any number of operands, checks.

What is one operation says so in its class (`ir/signature.py`); what can be said in `.mai` is in the prelude. An implementation
takes the elaborator, then its arguments as `BoundArgument`s: the parameter names are the language's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import ABSENT, Binding, BoundArgument, Builtin, is_number
from mai.compiler.elaborate.errors.logits import refuse_probabilities
from mai.compiler.elaborate.expressions.whole import labelled
from mai.compiler.elaborate.functions.arguments import axis_of, number, positive, static
from mai.compiler.elaborate.functions.patterns import einsum_equation, rearranged, reduced
from mai.compiler.ir.graph import Initial, Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.losses import loss
from mai.compiler.ops.products import product as pr
from mai.compiler.ops.products.rotary import Rotary
from mai.compiler.ops.reductions.norm import EPS, RMS_EPS
from mai.compiler.ops.shapes import indexing as ix
from mai.compiler.ops.shapes import shape as sh
from mai.spec.record import record

MOST_PARTS = 10_000  # Of a `split`; pairs that `rotate` turns.

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

Arg = BoundArgument
BUILTINS: dict[str, Binding] = {
    "zeros": Initial("constant", (0.0,)),
    "ones": Initial("constant", (1.0,)),
    "identity": Initial("identity"),
    "pi": 3.141592653589793,
    "norm_eps": EPS,
    "rms_eps": RMS_EPS,
    "nothing": ABSENT,
}


@record
class Listed:
    """What the reference says of a function: where, how it is written, and what it is."""

    section: Section
    form: str
    says: str


_CONSTANTS: dict[str, Listed] = {
    "pi": Listed(Section.CONSTANTS, "pi", "3.14159..."),
    "norm_eps": Listed(Section.CONSTANTS, "norm_eps", f"{EPS:g}, what normalisations add to a variance."),
    "rms_eps": Listed(Section.CONSTANTS, "rms_eps", f"{RMS_EPS:g}, what `rms_norm` adds to a mean square."),
    "zeros": Listed(Section.CONSTANTS, "zeros([n, d])", "All 0; `= zeros` alone in the line of a `param`."),
    "ones": Listed(Section.CONSTANTS, "ones([n, d])", "All 1; `= ones` alone in the line of a `param`."),
    "identity": Listed(
        Section.CONSTANTS,
        "identity(n)",
        "The matrix [n, n] with ones on its diagonal; `= identity` alone in the line of a `param`.",
    ),
    "nothing": Listed(
        Section.CONSTANTS,
        "nothing",
        "The default of a layer's argument that may be a tensor: `layer f(x: [d], mask = nothing)` asks `if mask == nothing { }`.",
    ),
    "training": Listed(
        Section.CONSTANTS,
        "training",
        "True while a model is trained: what `if training { } else { }` asks in a layer.",
    ),
}
Register = Callable[[Callable[..., Binding]], Callable[..., Binding]]
_BY_HAND: dict[str, Callable[[], Listed]] = {}  # Read when somebody asks: a check never does.


def builtin(section: Section, name: str = "", form: str = "", says: str = "") -> Register:
    """Register a function by its own name, signature and docstring, where the others are not given."""

    def register(implementation: Callable[..., Binding]) -> Callable[..., Binding]:
        own = name or implementation.__name__.rstrip("_")
        BUILTINS[own] = Builtin(own, implementation)
        _BY_HAND[own] = lambda: Listed(
            section, form or _form(own, implementation), says or inspect.getdoc(implementation) or ""
        )
        return implementation

    return register


def listed_by_hand() -> dict[str, Listed]:
    """What the reference says of constants, and of functions that are written by hand, by their names."""
    return _CONSTANTS | {name: read() for name, read in _BY_HAND.items()}


def _form(name: str, implementation: Callable[..., Binding]) -> str:
    """`split(x, parts, axis?)`."""
    parameters = list(inspect.signature(implementation).parameters.values())[1:]
    return f"{name}({', '.join(map(_parameter, parameters))})"


def _parameter(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return "x, y, ..."
    if parameter.kind is parameter.VAR_KEYWORD:
        return "name = size, ..."
    return f"{parameter.name}{'' if parameter.default is parameter.empty else '?'}"


@builtin(Section.ELEMENTS)
def where(e: Elaborator, condition: Arg, x: Arg, y: Arg) -> Binding:
    """x where the condition holds, y elsewhere."""
    if isinstance(condition.value, bool) and is_number(x.value) and is_number(y.value):
        return x.value if condition.value else y.value
    chosen = e.truth(condition.value, condition.span)
    a, b = e.joined([x.value, y.value], [x.span, y.span])
    return labelled(e.emit(logic.Where, chosen, a, b), [x.value, y.value])


@builtin(Section.ELEMENTS)
def masked(e: Elaborator, scores: Arg, mask: Arg) -> Binding:
    """The scores where the mask is true, -1e9 elsewhere; the sum of both where the mask is of reals."""
    value, seen = e.real(scores.value, scores.span), e.value(mask.value, mask.span)
    if isinstance(scores.value, Value) and scores.value.type.dtype is DType.BOOL:
        raise ShapeError("type-mismatch", "scores are numbers, these are true or false", 0)
    if seen.type.dtype is DType.INT or (value.type.rank and not seen.type.rank):
        of = "whole numbers" if seen.type.dtype is DType.INT and seen.type.rank else "one number for all scores"
        message = f"a mask is true or false, as `m > 0` is, or reals that are added to the scores; this is {of}"
        raise ShapeError("type-mismatch", message, 1)
    if seen.type.rank > value.type.rank:
        message = f"a mask is of the scores, {describe(value.type.shape)}, this is {describe(seen.type.shape)}"
        more = ", ".join(["None"] * (seen.type.rank - value.type.rank))
        raise ShapeError(
            "shape-mismatch", message, 1, help=f"scores that are the same for all rows of it are `scores[{more}]`"
        )
    if seen.type.dtype is not DType.BOOL:
        return e.emit(el.Add, value, e.real(seen, mask.span))
    return e.emit(logic.Where, seen, value, e.builder.constant(-1e9))


@builtin(Section.SHAPES)
def concat(e: Elaborator, *parts: Arg, axis: Arg | None = None) -> Binding:
    """Tensors one after the other along an axis, the last by default."""
    values = e.joined([p.value for p in parts], [p.span for p in parts])
    if not values:
        raise ShapeError("missing-argument", "`concat` needs at least one tensor")
    _check_joinable(values, parts)
    result = e.emit(sh.Concat, *values, axis=axis_of(e, axis, values[0].type.rank))
    return labelled(result, [p.value for p in parts])


def _check_joinable(values: list[Value], parts: Sequence[Arg]) -> None:
    scalars = [i for i, value in enumerate(values) if not value.type.rank]
    if scalars:
        text = parts[scalars[0]].span.text
        vectors = all(value.type.rank <= 1 for value in values)
        help = f"a scalar is a vector of one number: `[{text if text.isidentifier() else 's'}]`" if vectors else None
        message = "`concat` joins tensors along an axis, this is a scalar"
        raise ShapeError("rank-mismatch", message, scalars[0], label="[]", help=help)


def _check_parts(count: int) -> None:
    if count > MOST_PARTS:
        raise ShapeError("dimension-too-large", f"{count:,} parts are more than can be built ({MOST_PARTS:,})", 1)


@builtin(Section.SHAPES)
def split(e: Elaborator, x: Arg, parts: Arg, axis: Arg | None = None) -> Binding:
    """So many equal parts along an axis, the last by default: `(q, k, v) = split(y, 3)`. A list has the sizes of the parts, `split(y, [8, 8, 1])`."""
    value = e.value(x.value, x.span)
    along = axis_of(e, axis, value.type.rank)
    ends = [*accumulate(_sizes_of_parts(e, parts, value.type.shape[along]))]
    return tuple(
        e.emit(ix.Slice, value, axis=along, start=start, stop=stop, step=None)
        for start, stop in zip([0, *ends], ends, strict=False)
    )


def _sizes_of_parts(e: Elaborator, parts: Arg, size: Size) -> list[Size]:
    if isinstance(parts.value, list):
        _check_parts(len(parts.value))
        if not parts.value:
            help = "a number has equal parts, `split(x, 2)`, a list parts of its sizes, `split(x, [1, 3])`"
            raise e.fail("shape-mismatch", parts.span, "a list without sizes names no part", help=help)
        each = [replace(parts, value=part) for part in parts.value]
        sizes = [
            e.size(part.value, part.span, least=1) if isinstance(part.value, Dim) else positive(e, part, 1)
            for part in each
        ]
        total: Size = sum(sizes)
        if total != size:
            message = f"parts of {', '.join(map(str, sizes))} are {total} in all, and the axis has {size}"
            help = "a list has the sizes of the parts, not the places between them"
            raise e.fail("shape-mismatch", parts.span, message, help=help)
        return sizes
    count = positive(e, parts, 1)
    if not isinstance(size, int) or size % count:
        raise e.fail("shape-mismatch", parts.span, f"an axis of {size} cannot be split into {count} equal parts")
    _check_parts(count)
    return [size // count] * count


@builtin(Section.SHAPES)
def rearrange(e: Elaborator, x: Arg, pattern: Arg, **sizes: Arg) -> Binding:
    """Axes joined, split and moved by an einops pattern: `rearrange(x, "p (h k) -> h p k", h = 4)`."""
    return rearranged(e, e.value(x.value, x.span), _pattern(e, pattern), pattern.span, _sizes(e, sizes))


@builtin(Section.SHAPES)
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


@builtin(Section.SHAPES, form="einsum(pattern, x, ...)")
def einsum(e: Elaborator, *operands: Arg) -> Binding:
    """A sum of products over named axes, their names apart by spaces: `einsum("i k, k j -> i j", x, y)`; the pattern may stand last."""
    if len(operands) < 2:
        raise ShapeError("missing-argument", "`einsum` needs a pattern and tensors")
    if isinstance(operands[-1].value, str):  # As einops has it, and `rearrange` and `reduce`.
        operands = (operands[-1], *operands[:-1])
    pattern, *tensors = operands
    values = [e.real(a.value, a.span) for a in tensors]
    equation = einsum_equation(e, _pattern(e, pattern), [v.type.rank for v in values], pattern.span)
    return e.emit(pr.Einsum, *values, equation=equation)


@builtin(Section.CONSTANTS)
def linspace(e: Elaborator, start: Arg, stop: Arg, count: Arg) -> Binding:
    """`count` numbers from `start` to `stop`, both included."""
    size = e.size(count.value, count.span, "the count")
    index = e.emit(el.ToReal, e.emit(ix.Iota, count=size))
    first, last = e.real(start.value, start.span), e.real(stop.value, stop.span)
    steps = e.real(size - 1 if size != 1 else 1, count.span)
    return e.emit(el.Add, first, e.emit(el.Multiply, index, e.emit(el.Divide, e.emit(el.Subtract, last, first), steps)))


@builtin(Section.KERNELS)
def rotate(e: Elaborator, x: Arg, heads: Arg, base: Arg | None = None, rates: Arg | None = None) -> Binding:
    """Rotary positions (Su et al. 2021): at position p, the numbers i and i + d / 2 of a head turn by p / base^(2 i / d), d its width.

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
    _check_parts(half)
    powers = tuple(period ** (-i / half) for i in range(half))
    turns = e.builder.constant(powers) if rates is None else e.real(rates.value, rates.span)
    position = e.emit(el.ToReal, e.emit(ix.Iota, count=value.type.shape[0], name="position"))
    angle = e.emit(el.Multiply, e.emit(sh.Unsqueeze, position), turns, name="angle")
    return e.emit(Rotary, value, e.emit(el.Cos, angle), e.emit(el.Sin, angle), heads=count, name="rotate")


@builtin(Section.LOSSES)
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
    refuse_probabilities(e, z, logits.span, "cross_entropy", "the loss is `-log(p[y])`")
    return e.emit(loss.CrossEntropy, z, y)
