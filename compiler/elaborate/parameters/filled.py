"""Names of first values, called as functions: tensors that are the same wherever they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mai.compiler.elaborate.bindings import BoundArgument
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.errors import repairs
from mai.compiler.ir.graph import Initial, Value
from mai.compiler.ops.shapes.indexing import Iota
from mai.compiler.ops.shapes.shape import Expand
from mai.compiler.ops.terms import Term
from mai.spec.source import Span


def _filled(e: Context, initial: Initial, arguments: Sequence[BoundArgument], span: Span) -> Value:
    """`zeros([n])`, `ones([n])`: a tensor of one number."""
    if len(arguments) != 1 or not isinstance(arguments[0].value, list):
        help = repairs.as_shape(arguments)
        raise e.fail("missing-argument", span, "this needs a shape: `zeros([n])`", help=help)
    shape = tuple(e.size(s, arguments[0].span) for s in arguments[0].value)
    return e.emit(Expand, e.builder.constant(initial.numbers[0]), shape=shape)


def _unit_matrix(e: Context, initial: Initial, arguments: Sequence[BoundArgument], span: Span) -> Value:
    """`identity(n)`: ones on the diagonal, zeros elsewhere."""
    if len(arguments) != 1 or arguments[0].name:
        raise e.fail("missing-argument", span, "this needs a number of rows: `identity(n)`")
    count = e.size(arguments[0].value, arguments[0].span)
    numbers = Term(e.builder, e.emit(Iota, count=count))
    return numbers.unsqueeze(-1).equals(numbers).value


FILLED: Mapping[str, Callable[[Context, Initial, Sequence[BoundArgument], Span], Value]] = {
    "constant": _filled,
    "identity": _unit_matrix,
}
"""What a first value is as a function of a shape or a size, by its kind; others are no functions."""
