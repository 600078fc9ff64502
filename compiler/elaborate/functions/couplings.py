"""What transport needs beside its prelude: the exact matching, the coupling of a batch, directions to project on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, Distribution
from mai.compiler.elaborate.functions.arguments import positive
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.functions.constructs import across_batch
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.signature import Section
from mai.compiler.ir.sizes import product
from mai.compiler.ir.types import BATCH_DEPTH
from mai.compiler.ops.elementwise import Divide, Multiply, Sqrt
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.ops.reductions import Sum
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.shapes.shape import Reshape

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator


INSTEAD = "`sinkhorn_divergence(x, y)` compares two clouds here"
PAIRED = "pair draws with data in the train block; `sinkhorn_divergence(x, y)` compares two clouds here"


@builtin(Section.BATCHES)
def matching(e: Elaborator, x: Arg, y: Arg) -> Binding:
    """For each point of y the place of its partner in x, by the exact plan of the least sum of squares."""
    _check_place(e, x, INSTEAD)
    return e.emit(Matching, e.real(x.value, x.span), e.real(y.value, y.span))


@builtin(Section.BATCHES)
def couple(e: Elaborator, x0: Arg, x: Arg) -> Binding:
    """The batch's x0 in the order in which they lie beside the batch's x (Tong et al. 2023), and x."""
    _check_place(e, x0, PAIRED)
    a, b = e.real(x0.value, x0.span), e.real(x.value, x.span)
    if a.type.shape != b.type.shape:
        message = f"`couple` pairs values of one shape, here are {describe(a.type.shape)} and {describe(b.type.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(b.type.shape))
    if any(axis.depth != BATCH_DEPTH for v in (a, b) for axis in v.type.lead):
        raise ShapeError("rank-mismatch", "`couple` pairs whole examples: it cannot be mapped over an axis of them", 0)
    rows = across_batch(e, a)
    places = e.builder.lead(e.emit(Matching, _flat(e, rows), _flat(e, across_batch(e, b))), (e.batch_axis,))
    rank = rows.type.rank
    return e.emit(Take, rows, places, axis=-rank, rank=rank, name="coupled"), b


def _flat(e: Elaborator, rows: Value) -> Value:
    """Examples as the points of a cloud."""
    count, *shape = rows.type.shape
    return rows if len(shape) == 1 else e.emit(Reshape, rows, shape=(count, product(tuple(shape))))


def _check_place(e: Elaborator, argument: Arg, help: str) -> None:
    if not e.in_train_block:
        message = f"`{e.callee}` is exact transport, which has no form in ONNX: it belongs in a train block"
        raise e.fail("matching-outside-train", e.named or argument.span, message, help=help)


@builtin(Section.BATCHES)
def directions(e: Elaborator, count: Arg, x: Arg, y: Arg) -> Binding:
    """`count` random unit vectors for the points of two clouds: drawn for every example, or once where they are one for all."""
    clouds = [e.real(a.value, a.span) for a in (x, y)]
    width = clouds[0].type.shape[-1]
    e.draws.check(x.span)
    outer = e.draws.example
    if not any(v.type.batched for v in clouds):
        e.draws.example = e.builder.constant(0)
    try:
        distribution = Distribution("normal", (positive(e, count, 64), width), (0.0, 1.0), e.builder.span)  # type: ignore[arg-type]
        drawn = e.draws.drawn("directions", distribution)
    finally:
        e.draws.example = outer
    length = e.emit(Sqrt, e.emit(Sum, e.emit(Multiply, drawn, drawn), keep=True))
    return e.emit(Divide, drawn, length, name="directions")
