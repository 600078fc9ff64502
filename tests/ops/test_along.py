"""What operations say of a growing axis: where it goes, each row of the result is of one row of the operand alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.operation import OPERATIONS, Case, Operation, ShapeError
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array
from tests.support.cases.operation_cases import CASES, feed_of, graph_of


def looks_along(op: type[Operation], case: Case, axis: int) -> bool:
    """As a softmax does along its own axis: such a one has a `neutral` number for tokens that are not there yet."""
    return op.neutral is not None and (op.attributes | case.attributes).get("axis") == axis


def may_grow(op: type[Operation], types: Sequence[Type], attributes: dict[str, object], axis: int) -> bool:
    """Whether the shape rule takes inputs whose size along an axis only the call knows."""
    try:
        op.shape(*(with_free_size(type, axis) for type in types), **attributes)
    except ShapeError:
        return False
    return True


def with_free_size(type: Type, axis: int) -> Type:
    if type.rank < -axis or type.shape[axis] == 1:
        return type
    shape = [*type.shape]
    shape[axis] = symbol("P")
    return Type(type.dtype, tuple(shape))


def ways(op: type[Operation], case: Case, graph: Graph) -> Iterator[tuple[int, int, int]]:
    """Operand, axis, and the result's axis that it becomes, with as many rows."""
    types = [value.type for value in graph.inputs[: len(case.inputs)]]
    attributes, result = op.attributes | case.attributes, graph.outputs[0].type
    for operand, type in enumerate(types):
        for axis in (a for a in range(-type.rank, 0) if type.shape[a] != 1):
            place = op.along(types, attributes, operand, axis) if op.along is not None else None
            as_many = place is not None and result.shape[place] == type.shape[axis]
            if (
                place is not None
                and as_many
                and not looks_along(op, case, axis)
                and may_grow(op, types, attributes, axis)
            ):
                yield operand, axis, place


def other_row(array: Array, axis: int, row: int, others: Array) -> Array:
    """The array with one row along an axis taken from another."""
    result, at = array.copy(), [slice(None)] * array.ndim
    at[axis] = slice(row, row + 1)
    result[tuple(at)] = others[tuple(at)]
    return result


@pytest.mark.parametrize(("name", "number"), [c for c in CASES if OPERATIONS[c[0]].grown is None])
def test_a_row_of_the_result_is_of_one_row_alone(name: str, number: int) -> None:
    op = OPERATIONS[name]
    case = op.cases[number]
    if any(sample is None for sample in case.inputs):
        return
    leads = tuple(() for _ in case.inputs)
    graph, feed, others = graph_of(op, case, leads), feed_of(case, 3, leads), feed_of(case, 4, leads)
    (before,) = evaluate(graph, feed, {}, {})
    for operand, axis, place in ways(op, case, graph):
        x = f"x{operand}"
        for row in range(feed[x].shape[axis]):
            (after,) = evaluate(graph, {**feed, x: other_row(feed[x], axis, row, others[x])}, {}, {})
            kept = [np.delete(array, row, axis=place) for array in (before, after)]
            np.testing.assert_array_equal(
                *kept, err_msg=f"operand {operand}, axis {axis}: rows beside {row} have changed"
            )
