"""What takes logits is not given probabilities: it would make probabilities of them once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mai.compiler.elaborate.errors.repairs import argument_of
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Lead, Unlead
from mai.compiler.ops.elementwise.activations import Sigmoid
from mai.compiler.ops.reductions.softmax import Softmax
from mai.compiler.ops.shapes.indexing import Pick, Slice
from mai.compiler.ops.shapes.shape import Reshape, Squeeze, Transpose, Unsqueeze
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.context import Context

PROBABILITIES: tuple[type[Operation], ...] = (Softmax, Sigmoid)
MOVES = (Lead, Unlead, Pick, Slice, Reshape, Squeeze, Transpose, Unsqueeze)  # The same numbers, or some of them.


def refuse_probabilities(
    e: Context, logits: Value, span: Span, taker: str, otherwise: str, makers: tuple[type[Operation], ...] = (Softmax,)
) -> None:
    """Refuse what one of the `makers` has made, where logits are taken.

    Args:
        taker: what takes them, as it is written.
        otherwise: what is written for probabilities p.

    Raises:
        Stop: `softmax-twice` was reported.
    """
    e.looks_behind += 1
    maker = _maker(logits)
    if maker is not None and maker.op in makers:
        name = maker.op.name
        help = f"hand over what the {name} is of; of probabilities p, {otherwise}"
        edits = [edit for place in _places(e, logits) if (edit := argument_of(name, place)) is not None]
        message = f"these are probabilities; `{taker}` takes logits"
        raise e.fail("softmax-twice", span, message, help=help, edits=edits)


def _places(e: Context, value: Value) -> Iterator[Span]:
    """Where the text says what a value is, and what it is beneath changes of its type."""
    node = value.producer
    yield from (span for span in (e.origins.get(value), node.span if node else None) if span is not None)
    if node is not None and node.op in MOVES:
        yield from _places(e, node.inputs[0])


def _maker(value: Value) -> Node | None:
    """The node that makes the numbers of a value; None for an input."""
    node = value.producer
    while node is not None and node.op in MOVES:
        node = node.inputs[0].producer
    return node
