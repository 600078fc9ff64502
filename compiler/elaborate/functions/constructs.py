"""Built-in functions that are more than operations: penalties of tokens, batches as axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.functions.arguments import positive
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.functions.setting_ranges import ask_range
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import NOTHING, Across
from mai.compiler.ir.types import BATCH_DEPTH, Type
from mai.compiler.ops.elementwise import Divide, Minimum, Multiply, Subtract
from mai.compiler.ops.elementwise.logic import Greater, Where
from mai.compiler.ops.texts.appended import Appended
from mai.compiler.ops.texts.counts import Counts
from mai.compiler.ops.texts.repeats import Repeats
from mai.spec.diagnostics.edit import put

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

MOST_DIRECTIONS = 4096
LEAST_PENALTY = 1e-6


@builtin(Section.LOSSES)
def penalise(
    e: Elaborator, logits: Arg, x: Arg, penalty: Arg | None = None, presence: Arg | None = None, frequency: Arg | None = None,
) -> Binding:  # fmt: skip
    """Logits with those of the tokens in x made less likely (Keskar et al. 2019): z / penalty, or z * penalty below 0.

    `presence` is taken from those of tokens that an `extend` has appended, and `frequency` once for each time that it did.
    """
    z, tokens = e.real(logits.value, logits.span), e.value(x.value, x.span)
    if z.type.rank != 1 or not isinstance(z.type.shape[0], int):
        raise ShapeError("rank-mismatch", f"`penalise` takes logits [K], this is {describe(z.type.shape)}", 0)
    count, none = z.type.shape[0], e.builder.constant(0.0)
    if penalty is not None:
        by, there = e.real(penalty.value, penalty.span), e.emit(Greater, e.emit(Counts, tokens, count=count), none)
        ask_range(e, by, penalty.span, least=LEAST_PENALTY)
        lower = e.emit(Where, e.emit(Greater, z, none), e.emit(Divide, z, by), e.emit(Multiply, z, by))
        z = e.emit(Where, there, lower, z, name="penalise")
    if presence is None and frequency is None:
        return z
    own = e.emit(Where, appended_tokens(e, x), tokens, e.builder.constant(NOTHING))
    times = e.emit(Counts, own, count=count)
    once = e.emit(Minimum, times, e.builder.constant(1.0))
    for weight, occurs in ((frequency, times), (presence, once)):
        if weight is not None:
            z = e.emit(Subtract, z, e.emit(Multiply, e.real(weight.value, weight.span), occurs), name="penalise")
    return z


@builtin(Section.LOSSES)
def appended(e: Elaborator, x: Arg) -> Binding:
    """For each token of a text x that an `extend` grows whether it was appended, and is not of the prompt."""
    return appended_tokens(e, x)


@builtin(Section.LOSSES)
def counts(e: Elaborator, x: Arg, n: Arg) -> Binding:
    """How often each of n labels is in a row x, [n]; a label below 0 is none."""
    return e.emit(Counts, e.value(x.value, x.span), count=positive(e, n, None))


@builtin(Section.LOSSES)
def repeats(e: Elaborator, x: Arg, labels: Arg, n: Arg) -> Binding:
    """For each of so many labels 1 if the last n of a row x, with it behind them, stand in x already, else 0: `z - 1e9 * repeats(x, vocab, 3)` (transformers' `no_repeat_ngram_size`)."""
    return e.emit(Repeats, e.value(x.value, x.span), count=positive(e, labels, None), length=positive(e, n, None))


def appended_tokens(e: Elaborator, x: Arg) -> Value:
    """For each token of a row whether an `extend` has appended it. Raises where x is not the text of one that stands around it."""
    e.looks_behind += 1
    text, growing = e.value(x.value, x.span), e.growing
    if growing is None or text is not growing.row:
        help = put(e.at(x.span) or x.span, growing.name) if growing else None
        message = "which tokens are appended is known of the text that an `extend` around grows"
        raise e.fail("appended-elsewhere", x.span, message, help=help)
    return e.emit(Appended, text, growing.turn)


# ------------------------------------------------------ batches, derivatives


@builtin(Section.KERNELS, form="family(layer, count)")
def family(e: Elaborator, layer: Arg, count: Arg) -> Binding:
    """`count` layers of one form, each with parameters of its own: `each = family(mlp(hidden = 64), 8)`, then `each[k](x)`.

    In `weights from` it is the rules of a known network by its name: `"text.*" = family("clip_text", "text_encoder")`.
    """
    from mai.compiler.elaborate.expressions.families import family_of

    return family_of(e, layer.value, positive(e, count, None), layer.span)


@builtin(Section.BATCHES)
def across(e: Elaborator, x: Arg) -> Binding:
    """x of all examples: the batch axis as the first axis of the shape."""
    if not e.in_train_block and e.claim is None and not e.over_all_examples:
        message = "`across` compares examples: only a train block, a claim and first values have several"
        raise e.fail("across-outside-train", x.span, message)
    return across_batch(e, e.value(x.value, x.span))


def across_batch(e: Elaborator, value: Value) -> Value:
    """The batch as the first axis of the shape: [...] becomes [batch, ...]."""
    if not value.type.batched:
        value = e.builder.spread(value, (e.batch_axis,))
    lead = tuple(a for a in value.type.lead if a.depth != BATCH_DEPTH)
    type_ = Type(value.type.dtype, (symbol("batch"), *value.type.shape), lead, value.type.classes)
    return e.builder.add(Across(), [value], [type_]).output
