"""Distributions as they are written: `normal([2], mean, std)`, `categorical(logits)`, `mixture(logits, q)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Distribution
from mai.compiler.elaborate.bounds import setting_of
from mai.compiler.elaborate.errors.logits import PROBABILITIES, refuse_probabilities
from mai.compiler.elaborate.errors.repairs import as_shape, shape_first
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.functions.distributions.draw_ranges import check_numbers
from mai.compiler.elaborate.functions.distributions.temperature import cooled, forbid_division
from mai.compiler.elaborate.functions.setting_ranges import ask_range
from mai.compiler.elaborate.random.families import FAMILIES, Family
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import Size
from mai.spec.diagnostics import Edit
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator


def _register(family: Family) -> None:
    @builtin(Section.DISTRIBUTIONS, family.name, family.form, family.says)
    def implementation(e: Elaborator, *positional: Arg, **named: Arg) -> Binding:
        written = list(positional)
        shape = _shape(e, family, written) if family.has_shape else ()
        arguments = _by_name(e, family, written, named, family.has_shape and not shape)
        if family.by_logits and "logits" in arguments:
            written_logits = arguments["logits"]
            logits = e.real(written_logits.value, written_logits.span)
            taker, otherwise = f"{family.name}(logits = ...)", f"write `{family.name}(p)`"
            refuse_probabilities(e, logits, written_logits.span, taker, otherwise, PROBABILITIES)
            return _distribution(e, family.by_logits, shape, (logits,))
        numbers = [arguments[p.name].value if p.name in arguments else p.default for p in family.parameters]
        check_numbers(e, family, arguments, numbers)
        return _distribution(e, family.name, shape, tuple(numbers))


def _distribution(e: Elaborator, kind: str, shape: tuple[Size, ...], numbers: tuple[Binding, ...]) -> Distribution:
    return Distribution(kind, shape, numbers, e.builder.span)  # type: ignore[arg-type]


def _shape(e: Elaborator, family: Family, written: list[Arg]) -> tuple[Size, ...]:
    """The shape that comes first, taken out of what is written: a list of sizes, not of lists."""
    if written and isinstance(written[0].value, list) and not any(isinstance(s, list) for s in written[0].value):
        sizes, span = written[0].value, written.pop(0).span
        if any(isinstance(s, (int, float)) and (s < 0 or s != int(s)) for s in sizes):
            raise _no_shape(e, family, span, len(sizes))
        return tuple(e.size(s, span) for s in sizes)
    if written and isinstance(written[0].value, tuple):
        message = "the shape of a draw is a list of sizes"
        raise e.fail("not-a-dimension", written[0].span, message, help=as_shape(written[:1]))
    is_tensor = bool(written) and isinstance(written[0].value, Value) and bool(written[0].value.type.rank)
    if is_tensor and len(written) > len(family.parameters):
        help = e.default_help(written[0].value)
        message = "the shape of a draw is a list of sizes, this depends on the example"
        raise e.fail("not-a-dimension", written[0].span, message, help=help)
    return ()


def _no_shape(e: Elaborator, family: Family, span: Span, count: int) -> Exception:
    """What stands first is the shape: numbers that are no sizes are a parameter's, before which the shape is said."""
    message = (
        f"a list that stands first in `{family.name}` is the shape of a draw, and sizes are whole numbers from 0 on"
    )
    return e.fail("not-a-dimension", span, message, help=put(span, f"[{count}], {span.text}"))


def _with_shape_first(e: Elaborator, written: list[Arg], shape: Arg) -> Edit | None:
    call = e.builder.span
    return None if call is None else shape_first(call, written, shape)


def _by_name(
    e: Elaborator, family: Family, written: list[Arg], named: Mapping[str, Arg], may_have_shape: bool
) -> dict[str, BoundArgument]:
    """The arguments by the names of their parameters, of which none lacks."""
    names = [p.name for p in family.parameters]
    if len(written) > len(names):
        message, extra = f"`{family.name}` takes {', '.join(names)}", written[len(names)]
        help = _with_shape_first(e, [*written, *named.values()], extra) if may_have_shape else None
        raise e.fail("too-many-arguments", extra.span, message, help=help)
    arguments = dict(zip(names, written, strict=False))
    for name, argument in named.items():
        if name not in names and not (family.by_logits and name == "logits"):
            is_shape = may_have_shape and name in ("shape", "size")
            help = _with_shape_first(e, [*written, *named.values()], argument) if is_shape else None
            raise e.unknown_argument(family.name, name, argument.name_span or argument.span, names, help)
        if name in arguments:
            raise e.fail("too-many-arguments", argument.span, f"`{name}` of `{family.name}` is said twice")
        arguments[name] = argument
    if "logits" in arguments and len(arguments) > 1:
        raise e.fail(
            "too-many-arguments", arguments["logits"].span, f"`{family.name}` takes its logits or its `p`, not both"
        )
    absent = [p.name for p in family.parameters if p.default is None and p.name not in arguments]
    if absent:
        raise ShapeError("missing-argument", f"`{family.name}` needs {' and '.join(absent)}")
    return arguments


for _family in FAMILIES.values():
    _register(_family)


@builtin(Section.DISTRIBUTIONS)
def categorical(
    e: Elaborator, logits: Arg, top_k: Arg | None = None, top_p: Arg | None = None, min_p: Arg | None = None,
    temperature: Arg | None = None, typical_p: Arg | None = None,
) -> Binding:  # fmt: skip
    """A label with the probabilities softmax(logits / temperature); at temperature 0 the largest logit; one for each row of the logits.

    `categorical(z / t)` has the temperature t.
    """
    z = e.real(logits.value, logits.span)
    refuse_probabilities(e, z, logits.span, "categorical", "write `categorical(log(p))`")
    z, divisor = cooled(e, z) if temperature is None else (z, e.real(temperature.value, temperature.span))
    forbid_division(e, z, logits.span)
    filters = [None if top_k is None else e.value(top_k.value, top_k.span)]
    filters += [None if p is None else e.real(p.value, p.span) for p in (top_p, min_p, typical_p)]
    if top_k is not None and (name := setting_of(top_k.value)):
        e.bounds.ask(name, top_k.span, least=0)
    for argument, setting, most in (
        (temperature or logits, divisor, None),
        (top_p, filters[1], 1),
        (min_p, filters[2], 1),
        (typical_p, filters[3], 1),
    ):
        if argument is not None and setting is not None:
            ask_range(e, setting, argument.span, least=0, most=most)
    while filters and filters[-1] is None:
        filters.pop()
    neutral = (0, 1.0, 0.0, 1.0)
    settings = [e.builder.constant(neutral[i]) if f is None else f for i, f in enumerate(filters)]
    return _distribution(e, "categorical", (), (z, divisor, *settings))


@builtin(Section.DISTRIBUTIONS)
def mixture(e: Elaborator, logits: Arg, components: Arg) -> Binding:
    """One of K distributions, with the probabilities softmax(logits) [..., K]: the components' shape begins with that of the logits.

    `mixture(w, normal(m, s))` of w [K] and m, s [K, d] draws [d].
    """
    z, inner = e.real(logits.value, logits.span), components.value
    if not isinstance(inner, Distribution):
        message = "a `mixture` is of a distribution with parameters [K, ...]"
        raise e.fail("type-mismatch", components.span, message, help="write `mixture(w, normal(m, s))`")
    refuse_probabilities(e, z, logits.span, "mixture", "write `mixture(log(p), ...)`")
    if not z.type.rank:
        raise ShapeError("rank-mismatch", "the logits of a `mixture` are [K], one for each component", 0)
    return _distribution(e, "mixture", (), (z, inner))
