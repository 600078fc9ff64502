"""What is asked of a distribution: the log density of a value, the entropy, the divergence from another.

A distribution is of the whole of one draw: `normal([2])` of two numbers, and `normal(m, s)` of as many as m has, so these are sums
over the draw's own axes. Axes before them are mapped over, as everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, Distribution
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.random.draw_shapes import (
    apply,
    components_of,
    draw_shape,
    each_of,
    formula_of,
    parameters_of,
)
from mai.compiler.elaborate.random.families import FAMILIES, without_last
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import Size
from mai.compiler.ops.elementwise import Add
from mai.compiler.ops.reductions import Logsumexp, Sum
from mai.compiler.ops.reductions.softmax import LogSoftmax
from mai.compiler.ops.shapes.shape import Expand, Unsqueeze
from mai.spec.diagnostics import Edit
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.context import Context
    from mai.compiler.elaborate.elaborator import Elaborator

WRITTEN = {"bernoulli_logits": "bernoulli"}


@builtin(Section.DISTRIBUTIONS)
def log_prob(e: Elaborator, q: Arg, x: Arg) -> Binding:
    """The log density of x, or of labels and counts its log probability: the sum over one draw of q, whose shape x ends in."""
    distribution, value = _distribution(e, q), e.value(x.value, x.span)
    own = draw_shape(e, distribution)
    if value.type.shape[max(0, value.type.rank - len(own)) :] != own:
        message = f"a draw of this {_name(distribution)} distribution is {describe(own)}, this is {describe(value.type.shape)}"
        help = "a layer of one draw is mapped over others: `layer density(x: [], m: []) -> [] { return log_prob(normal(m, 1), x) }`"
        raise e.fail("shape-mismatch", x.span, message, label=describe(value.type.shape), help=help)
    each = each_of(e, distribution)
    return _summed(e, _densities(e, distribution, value, q.span), len(each), name="log_prob")


@builtin(Section.DISTRIBUTIONS)
def entropy(e: Elaborator, q: Arg) -> Binding:
    """-E log q(x) over draws x of q."""
    distribution = _distribution(e, q)
    each = each_of(e, distribution)
    closed = formula_of(distribution.kind, "entropy")
    if closed is None:
        message = f"the entropy of this {_name(distribution)} distribution has no closed form"
        raise e.fail("no-closed-form", q.span, message, help="average `-log_prob(q, x)` over draws `x ~ q`")
    return _summed(e, apply(e, closed, parameters_of(e, distribution, each), each, q.span), len(each), name="entropy")


@builtin(Section.DISTRIBUTIONS)
def kl(e: Elaborator, q: Arg, p: Arg) -> Binding:
    """E log q(x) - log p(x) over draws x of q, two distributions of one kind."""
    first, second = _distribution(e, q), _distribution(e, p)
    closed = formula_of(first.kind, "kl" if first.kind == second.kind else f"kl_{second.kind}")
    if closed is None:
        message = f"the divergence of a {_name(first)} from a {_name(second)} distribution has no closed form here"
        raise e.fail(
            "no-closed-form", q.span, message, help="average `log_prob(q, x) - log_prob(p, x)` over draws `x ~ q`"
        )
    each, own = each_of(e, first), draw_shape(e, first)
    if own != draw_shape(e, second):
        message = f"a draw of the one is {describe(own)}, of the other {describe(draw_shape(e, second))}"
        raise e.fail(
            "shape-mismatch", p.span, message, label=describe(draw_shape(e, second)), help=_widened(p, second, own)
        )
    parameters = [*parameters_of(e, first, each), *parameters_of(e, second, each)]
    return _summed(e, apply(e, closed, parameters, each, q.span), len(each), name="kl")


def _widened(argument: Arg, q: Distribution, shape: tuple[Size, ...]) -> Edit | None:
    """The shape of a draw, where a distribution of one number is written without it: `normal([2], 0, 1)`."""
    span = argument.span
    if q.shape or q.kind not in FAMILIES or not FAMILIES[q.kind].has_shape or not span.text.startswith(f"{q.kind}("):
        return None
    rest = span.text.removeprefix(f"{q.kind}(")
    return put(span, f"{q.kind}({describe(shape)}{'' if rest == ')' else ', '}{rest}")


def _densities(e: Elaborator, q: Distribution, x: Value, span: Span) -> Value:
    """The log density of each of the numbers, or rows, that are drawn on their own."""
    each = each_of(e, q)
    outer = without_last(x.type.shape, len(draw_shape(e, q)))
    if q.kind == "mixture":
        return _mixed(e, q, x, span)
    density = formula_of(q.kind, "log_prob" if _is_in_support(e, q, x) else "log_prob_of_any")
    assert density is not None, f"{q.kind} has no density"
    return apply(e, density, [x, *parameters_of(e, q, each)], (*outer, *each), span)


def _is_in_support(e: Elaborator, q: Distribution, x: Value) -> bool:
    """Whether a label is one of a categorical distribution by its type; the formulas of all others look at every number."""
    if q.kind != "categorical":
        return True
    count = e.real(q.numbers[0], q.span).type.shape[-1]
    return x.type.classes == count or (
        isinstance(x.type.classes, int) and isinstance(count, int) and x.type.classes <= count
    )


def _mixed(e: Elaborator, q: Distribution, x: Value, span: Span) -> Value:
    """log sum_k w_k p_k(x), where x has one more axis, of size one, for k."""
    inner, logits = components_of(q), e.real(q.numbers[0], q.span)
    shape, event = draw_shape(e, inner), draw_shape(e, q)
    after = len(shape) - logits.type.rank
    wide = e.emit(Unsqueeze, x, axes=(-1 - after,))
    outer = without_last(x.type.shape, len(event))
    wide = e.emit(Expand, wide, shape=(*outer, *shape))
    densities = _densities(e, inner, wide, span)
    summed = _summed(e, densities, len(each_of(e, inner)) - logits.type.rank)
    weights = e.emit(LogSoftmax, logits, axis=-1)
    return e.emit(Logsumexp, e.emit(Add, summed, weights), axes=(-1,), keep=False)


def _summed(e: Context, x: Value, count: int, name: str = "") -> Value:
    """The sum over the last axes."""
    return e.emit(Sum, x, axes=tuple(range(-count, 0)), keep=False, name=name) if count else x


def _distribution(e: Context, argument: Arg) -> Distribution:
    if isinstance(argument.value, Distribution):
        return argument.value
    help = "write `q = normal(m, s)`, or `normal([2])` for a standard one"
    raise e.fail("unknown-distribution", argument.span, "a distribution is needed here", help=help)


def _name(q: Distribution) -> str:
    return WRITTEN.get(q.kind, q.kind)
