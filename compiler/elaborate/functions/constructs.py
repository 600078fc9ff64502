"""Built-in functions that are more than operations: distributions, batches as axes, derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, Distribution
from mai.compiler.elaborate.bounds import setting_of
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.functions.draw_ranges import check_numbers
from mai.compiler.elaborate.functions.setting_ranges import ask_range
from mai.compiler.elaborate.functions.temperature import cooled, forbid_division
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Across
from mai.compiler.ir.types import BATCH_DEPTH, Type
from mai.compiler.ops.elementwise import Divide, Multiply
from mai.compiler.ops.elementwise.logic import Greater, Where
from mai.compiler.ops.random.choice import Occurs

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

MOST_DIRECTIONS = 4096

# ---------------------------------------------------------------- distributions

DEFAULT_NUMBERS: dict[str, tuple[float, ...] | None] = {
    "normal": (0.0, 1.0), "uniform": (0.0, 1.0), "bernoulli": (0.5,), "integers": None,
}  # fmt: skip


def _distribution(kind: str, form: str, says: str, *names: str) -> None:
    @builtin(Section.DISTRIBUTIONS, kind, form, says)
    def implementation(e: Elaborator, *positional: Arg, **named: Arg) -> Binding:
        given = list(positional)
        shape: tuple[Size, ...] = ()
        if given and isinstance(given[0].value, list):
            first = given.pop(0)
            shape = tuple(e.size(s, first.span) for s in first.value)  # type: ignore[union-attr]
        if given and isinstance(given[0].value, Value) and given[0].value.type.rank and len(given) > len(names):
            help = e.default_help(given[0].value)
            message = "the shape of a draw is a list of sizes, this depends on the example"
            raise e.fail("not-a-dimension", given[0].span, message, help=help)
        if len(given) > len(names):
            raise e.fail("too-many-arguments", given[len(names)].span, f"`{kind}` takes {', '.join(names)}")
        by_name = dict(zip(names, given, strict=False))
        for name, argument in named.items():
            if name not in names:
                raise e.unknown_argument(kind, argument.name or "", argument.name_span or argument.span, names)
            if name in by_name:
                raise e.fail("too-many-arguments", argument.span, f"`{name}` of `{kind}` is said twice")
            by_name[name] = argument
        defaults = DEFAULT_NUMBERS[kind]
        if defaults is None and len(by_name) < len(names):
            raise ShapeError("missing-argument", f"`{kind}` needs {' and '.join(names)}")
        usual = dict(zip(names, defaults or (), strict=False))
        numbers = [by_name[name].value if name in by_name else usual[name] for name in names]
        check_numbers(e, kind, by_name, numbers)
        return Distribution(kind, shape, tuple(numbers), e.builder.span)  # type: ignore[arg-type]


_distribution("normal", "normal([n]?, mean = 0, std = 1)", "Gaussians, each on its own.", "mean", "std")
_distribution("uniform", "uniform([n]?, low = 0, high = 1)", "Evenly between low and high.", "low", "high")
_distribution("bernoulli", "bernoulli([n]?, p = 0.5)", "True with the probability p.", "p")
_distribution(
    "integers", "integers([n]?, low, high)", "Whole numbers from low to high - 1, each as likely.", "low", "high"
)


@builtin(Section.DISTRIBUTIONS)
def categorical(
    e: Elaborator, logits: Arg, top_k: Arg | None = None, top_p: Arg | None = None, min_p: Arg | None = None,
    temperature: Arg | None = None,
) -> Binding:  # fmt: skip
    """A label with the probabilities softmax(logits / temperature); at temperature 0 the largest logit.

    `categorical(z / t)` has the temperature t.
    """
    z = e.real(logits.value, logits.span)
    z, divisor = cooled(e, z) if temperature is None else (z, e.real(temperature.value, temperature.span))
    forbid_division(e, z, logits.span)
    filters = [None if top_k is None else e.value(top_k.value, top_k.span)]
    filters += [None if p is None else e.real(p.value, p.span) for p in (top_p, min_p)]
    if top_k is not None and (name := setting_of(top_k.value)):
        e.bounds.ask(name, top_k.span, least=0)
    for argument, setting, most in (
        (temperature or logits, divisor, None),
        (top_p, filters[1], 1),
        (min_p, filters[2], 1),
    ):
        if argument is not None and setting is not None:
            ask_range(e, setting, argument.span, least=0, most=most)
    while filters and filters[-1] is None:
        filters.pop()
    neutral = (0, 1.0, 0.0)
    given = [e.builder.constant(neutral[i]) if f is None else f for i, f in enumerate(filters)]
    return Distribution("categorical", (), (z, divisor, *given), e.builder.span)  # type: ignore[arg-type]


@builtin(Section.LOSSES)
def penalise(e: Elaborator, logits: Arg, x: Arg, penalty: Arg) -> Binding:
    """Logits with those of the tokens in x made less likely (Keskar et al. 2019): z / penalty, or z * penalty below 0."""
    z, tokens, by = e.real(logits.value, logits.span), e.value(x.value, x.span), e.real(penalty.value, penalty.span)
    if z.type.rank != 1 or not isinstance(z.type.shape[0], int):
        raise ShapeError("rank-mismatch", f"`penalise` takes logits [K], this is {describe(z.type.shape)}", 0)
    occurs = e.emit(Occurs, tokens, count=z.type.shape[0])
    lower = e.emit(Where, e.emit(Greater, z, e.builder.constant(0.0)), e.emit(Divide, z, by), e.emit(Multiply, z, by))
    return e.emit(Where, e.emit(Greater, occurs, e.builder.constant(0.5)), lower, z, name="penalise")


# ------------------------------------------------------ batches, derivatives


@builtin(Section.BATCHES)
def across(e: Elaborator, x: Arg) -> Binding:
    """x of all examples: the batch axis as the first axis of the shape."""
    if not e.in_train_block and e.claim is None:
        message = "`across` compares examples: only a train block and a claim have several"
        raise e.fail("across-outside-train", x.span, message)
    return across_batch(e, e.value(x.value, x.span))


def across_batch(e: Elaborator, value: Value) -> Value:
    """The batch as the first axis of the shape: [...] becomes [batch, ...]."""
    if not value.type.batched:
        value = e.builder.spread(value, (e.batch_axis,))
    lead = tuple(a for a in value.type.lead if a.depth != BATCH_DEPTH)
    type_ = Type(value.type.dtype, (symbol("batch"), *value.type.shape), lead, value.type.classes)
    return e.builder.add(Across(), [value], [type_]).output
