"""States that are sums of outer products, H_t = a_t H_{t-1} + k_t v_t^T with one decay a_t, of which q_t^T H_t alone is read.

Linear attention (Katharopoulos et al. 2020) and the state space duality of Dao and Gu 2024 are of this kind: within a block of turns
what is read is (q k^T . D) v + (q since) H, where D_ts is the product of the decays after s up to t. The states of the turns are
never made.
"""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ops.elementwise import Multiply, Negative
from mai.compiler.ops.products.product import Einsum, Matmul
from mai.compiler.ops.shapes.shape import Squeeze
from mai.spec.record import record

Pair = tuple[Value, Value]


@record
class Reading:
    """The one node that reads a state after its turn: a product with the vector `query`, which sums over an axis of the state.

    over: the axis, -2 or -1.
    kept: the axis of size one that the result has, None where it has none.
    """

    node: Node
    query: Value
    over: int
    kept: int | None


def reading_of(body: Region, loop: Node, place: int, update: Sequence[Node]) -> Reading | None:
    """How the state of a place is read, if only one product reads it after its turn, and nothing but its update before."""
    state, ended = body.inputs[1 + place], body.outputs[place]
    readers = [node for node in ended.uses if node is not loop]
    is_alone = len(readers) == 1 and body.outputs.count(ended) == 1 and ended.uses[readers[0]] == 1
    if not is_alone or state.type.rank < 2 or not _is_private(state, ended, loop, update):
        return None
    matched = _product(readers[0], ended)
    shape, result = state.type.shape, readers[0].output.type
    if matched is None or result.lead != state.type.lead:
        return None
    axes = {-2: (*shape[:-2], shape[-1]), -1: shape[:-1]}
    place_of_one = len(shape) + matched.over
    wide = (*shape[:place_of_one], 1, *shape[place_of_one + 1 :])
    return matched if result.shape == (axes[matched.over] if matched.kept is None else wide) else None


def _is_private(state: Value, ended: Value, loop: Node, update: Sequence[Node]) -> bool:
    """Whether what depends on a state is read within its update alone."""
    inside, moved = set(update), {state}
    for node in update:
        if not moved.isdisjoint(node.inputs):
            moved.update(node.outputs)
    return all(user in inside for value in moved - {ended} for user in value.uses)


def _product(node: Node, ended: Value) -> Reading | None:
    """A product of a state and a vector as a reading of it; the query may still have an axis of size one."""
    if len(node.inputs) != 2:
        return None
    x, y = node.inputs
    if node.op is Matmul:
        if y is ended and x.type.rank <= ended.type.rank and x.type.shape[-2:-1] == (1,):
            return Reading(node, x, -2, -2)
        return Reading(node, y, -1, -1) if x is ended and y.type.shape[-1:] == (1,) and y.type.rank > 1 else None
    if node.op is not Einsum:
        return None
    operands, result = node.attributes["equation"].split("->")
    letters = dict(zip(node.inputs, operands.split(","), strict=True))
    own, other = letters[ended], letters[y if x is ended else x]
    query = y if x is ended else x
    first, second = own[:-2] + own[-1], own[:-1]
    if other == second and result == first:
        return Reading(node, query, -2, None)
    return Reading(node, query, -1, None) if other == first and result == second else None


def factors(builder: Builder, slope: Value, offset: Value) -> tuple[Value, Value, Value] | None:
    """The decay [...], the key [..., n] and the value [..., m] of an update [..., n, m]; None where it is none of outer products."""
    if not (_lacks(slope, -1) and _lacks(slope, -2)):
        return None
    pair = _outer(builder, offset)
    return None if pair is None else (_without(builder, slope, (-2, -1)), *pair)


def _outer(builder: Builder, x: Value) -> Pair | None:
    """A product of numbers along the last axis but one and numbers along the last one: both, each without the other axis."""
    node = x.producer
    if node is not None and node.op is Negative:
        pair = _outer(builder, node.inputs[0])
        return pair and (builder.emit(Negative, pair[0]), pair[1])
    if node is None or len(node.inputs) != 2:
        return None
    a, b = node.inputs
    if node.op is Matmul and a.type.shape[-1] == 1:
        return _without(builder, a, (-1,)), _without(builder, b, (-2,))
    if node.op is Einsum:
        operands, result = node.attributes["equation"].split("->")
        first, second = operands.split(",")
        ends = result[:-1], result[:-2] + result[-1]
        return {ends: (a, b), ends[::-1]: (b, a)}.get((first, second))
    return _scaled(builder, a, b) or _scaled(builder, b, a) if node.op is Multiply else None


def _scaled(builder: Builder, a: Value, b: Value) -> Pair | None:
    """a b, where a lacks the last axis and b the one before it, or a lacks both and b is such a product."""
    if not _lacks(a, -1):
        return None
    if _lacks(b, -2) and b.type.rank:
        return _without(builder, a, (-1,)), _without(builder, b, (-2,))
    inner = _outer(builder, b) if _lacks(a, -2) else None
    if inner is None:
        return None
    scale = _without(builder, a, (-2,))
    return builder.emit(Multiply, inner[0], scale), inner[1]


def _lacks(x: Value, axis: int) -> bool:
    """Whether an array that broadcasts has no axis, or one of size one, at a place counted from the end."""
    return x.type.rank < -axis or x.type.shape[axis] == 1


def _without(builder: Builder, x: Value, axes: Sequence[int]) -> Value:
    """x without such axes; where it lacks the others, they are of size one."""
    gone = tuple(axis for axis in axes if x.type.rank >= -axis)
    return builder.emit(Squeeze, x, axes=gone) if gone else x


def query_of(builder: Builder, x: Value, reading: Reading) -> Value:
    """A copy of the query, without its axis of size one."""
    return x if reading.kept is None else builder.emit(Squeeze, x, axes=(reading.kept,))
