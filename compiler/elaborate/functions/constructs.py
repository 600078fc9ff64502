"""Built-in functions that are more than operations: penalties of tokens, batches as axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.functions.arguments import positive
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import Across
from mai.compiler.ir.types import BATCH_DEPTH, Type
from mai.compiler.ops.elementwise import Divide, Multiply
from mai.compiler.ops.elementwise.logic import Greater, Where
from mai.compiler.ops.random.choice import Occurs

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

MOST_DIRECTIONS = 4096


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


@builtin(Section.KERNELS, form="family(layer, count)")
def family(e: Elaborator, layer: Arg, count: Arg) -> Binding:
    """`count` layers of one form, each with parameters of its own: `each = family(mlp(hidden = 64), 8)`, then `each[k](x)`."""
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
