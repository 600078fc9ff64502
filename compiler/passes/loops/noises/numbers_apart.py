"""Whether noises commute, seen number by number: each number of a state as a state of its own, each of a noise as a noise.

What an equation says by components, `[x[0] * dB[0], x[1] * dB[1]]`, is followed through picks, slices and lists; of other operations
every number of a result is made of all numbers of the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, product

from mai.compiler.ir import sizes
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import reading
from mai.compiler.ir.structure import Spread
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.indexing import Pick, Slice
from mai.compiler.ops.shapes.shape import Concat, Expand, Reshape, Squeeze, Stack, Transpose, Unsqueeze
from mai.spec.record import record

MOST = 256  # Numbers of a value; larger ones are seen as a whole.
SUMS: tuple[type[Operation], ...] = (el.Add, el.Subtract, Concat, Stack)
Index = tuple[int, ...]
Numbers = frozenset[int]
NONE: Numbers = frozenset()


@record
class Number:
    """A number of a value: the state's numbers that it reads, and of what noises make of it these, and what their factors read.

    tangled: noises have factors that differ and read what noises move.
    """

    states: Numbers = NONE
    noises: Numbers = NONE
    read: Numbers = NONE
    tangled: bool = False


Table = dict[Value, list[Number]]


def commute(nodes: Sequence[Node], noises: Sequence[Value], states: Sequence[Value], moved: Sequence[Value]) -> bool:
    """Whether each number has one factor for all that moves it, and this reads of moved numbers that one alone."""
    values = [*noises, *states, *moved, *(v for node in nodes for v in node.outputs)]
    counts = [sizes.product(v.type.shape) for v in values]
    if not all(isinstance(n, int) and n <= MOST for n in counts):
        return False
    moving = {i for i, number in enumerate(_ends(nodes, noises, states, moved, NONE)) if number.noises}
    ends = _ends(nodes, noises, states, moved, frozenset(moving))
    return all(not ends[i].tangled and ends[i].read & moving <= {i} for i in moving)


def _ends(
    nodes: Sequence[Node], noises: Sequence[Value], states: Sequence[Value], moved: Sequence[Value], moving: Numbers
) -> list[Number]:
    table: Table = {}
    for values, make in ((noises, lambda own: Number(noises=own)), (states, Number)):
        count = 0
        for value in values:
            own = range(count, count + _count(value))
            table[value] = [make(frozenset({i})) for i in own]
            count = own.stop
    for node in nodes:
        if any(v in table for v in reading(node)):
            table.update((v, numbers) for v, numbers in zip(node.outputs, _results(node, table, moving), strict=True))
    return [*chain.from_iterable(table.get(v) or [Number()] * _count(v) for v in moved)]


def _count(value: Value) -> int:
    count = sizes.product(value.type.shape)
    assert isinstance(count, int), "the sizes are known"
    return count


def _results(node: Node, table: Table, moving: Numbers) -> list[list[Number]]:
    """The numbers of a node's results; of one with bodies, which no noise goes through, each reads all states that the node reads."""
    if node.regions or len(node.outputs) > 1:
        whole = Number(_union(n.states for v in reading(node) for n in table.get(v, ())))
        return [[whole] * _count(v) for v in node.outputs]
    return [[_number(node, table, [*of], moving) for of in _sources(node)]]


def _number(node: Node, table: Table, of: Sequence[tuple[int, int]], moving: Numbers) -> Number:
    """A number of a result from those of the operands that it is of, each by its operand and its place."""
    operands = [(k, table[node.inputs[k]][i]) for k, i in of if node.inputs[k] in table]
    parts = [n for _, n in operands if n.noises]
    beside = [n for k, n in operands if not n.noises and _is_factor(node, k)]
    read = _union(n.read for n in parts)
    return Number(
        _union(n.states for _, n in operands),
        _union(n.noises for n in parts),
        read | _union(n.states for n in beside) if parts else NONE,
        any(n.tangled for n in parts) or (len(parts) > 1 and bool(read & moving)),
    )


def _is_factor(node: Node, operand: int) -> bool:
    """Whether an operand without noise is a factor of what has noise, and no term beside it."""
    return operand == 0 if node.op is Where else node.op not in SUMS


def _union(sets: Iterable[Numbers]) -> Numbers:
    return frozenset().union(*sets)


# -------------------------------------------------------------------- indices


def _sources(node: Node) -> Iterator[Iterator[tuple[int, int]]]:
    """For each number of a result the operands and the places in them that it is of."""
    shape = node.output.type.shape
    for index in product(*map(range, shape)):  # type: ignore[arg-type]
        yield _sources_of(node, index)


def _sources_of(node: Node, index: Index) -> Iterator[tuple[int, int]]:
    is_elementwise = node.op is Spread or issubclass(node.op, Elementwise)
    rule = _broadcast if is_elementwise else RULES.get(node.op)
    for k, operand in enumerate(node.inputs):
        if rule is None:
            yield from ((k, i) for i in range(_count(operand)))
            continue
        place = rule(node, k, index)
        if place is not None:
            yield k, _flat(place, operand.type.shape)  # type: ignore[arg-type]


def _flat(index: Index, shape: Sequence[int]) -> int:
    place = 0
    for i, n in zip(index, shape, strict=True):
        place = place * n + i
    return place


def _broadcast(node: Node, k: int, index: Index) -> Index:
    shape = node.inputs[k].type.shape
    return tuple(0 if n == 1 else i for i, n in zip(index[len(index) - len(shape) :], shape, strict=True))


def _pick(node: Node, k: int, index: Index) -> Index:
    shape, axis = node.inputs[k].type.shape, node.attributes["axis"]
    place = len(shape) + axis
    return (*index[:place], node.attributes["index"] % shape[place], *index[place:])


def _slice(node: Node, k: int, index: Index) -> Index:
    shape, axis = node.inputs[k].type.shape, node.attributes["axis"]
    start, step = node.attributes["start"] or 0, node.attributes["step"] or 1
    first = range(*slice(start, None, step).indices(shape[axis])).start
    place = len(shape) + axis
    return (*index[:place], first + step * index[place], *index[place + 1 :])


def _concat(node: Node, k: int, index: Index) -> Index | None:
    axis = len(index) + node.attributes["axis"]
    before = sum(int(v.type.shape[axis]) for v in node.inputs[:k])
    at = index[axis] - before
    return (*index[:axis], at, *index[axis + 1 :]) if 0 <= at < node.inputs[k].type.shape[axis] else None


def _stack(node: Node, k: int, index: Index) -> Index | None:
    axis = len(index) + node.attributes["axis"]
    return (*index[:axis], *index[axis + 1 :]) if index[axis] == k else None


def _unsqueeze(node: Node, k: int, index: Index) -> Index:
    new = {len(index) + a if a < 0 else a for a in node.attributes["axes"]}
    return tuple(i for axis, i in enumerate(index) if axis not in new)


def _squeeze(node: Node, k: int, index: Index) -> Index:
    rank, left = node.inputs[k].type.rank, list(index)
    gone = {rank + a if a < 0 else a for a in node.attributes["axes"]}
    return tuple(0 if axis in gone else left.pop(0) for axis in range(rank))


def _reshape(node: Node, k: int, index: Index) -> Index:
    flat, back = _flat(index, node.output.type.shape), []  # type: ignore[arg-type]
    for n in reversed(node.inputs[k].type.shape):
        flat, i = divmod(flat, n)  # type: ignore[operator]
        back.append(i)
    return tuple(back[::-1])


def _transpose(node: Node, k: int, index: Index) -> Index:
    perm = [a % len(index) for a in node.attributes["perm"]]
    return tuple(index[perm.index(axis)] for axis in range(len(index)))


def _flip(node: Node, k: int, index: Index) -> Index:
    axis = len(index) + node.attributes["axis"]
    return (*index[:axis], node.output.type.shape[axis] - 1 - index[axis], *index[axis + 1 :])


RULES: dict[type[Operation], Callable[[Node, int, Index], Index | None]] = {
    Expand: _broadcast, Pick: _pick, Slice: _slice, Concat: _concat, Stack: _stack, Unsqueeze: _unsqueeze, Squeeze: _squeeze,
    Reshape: _reshape, Transpose: _transpose, Flip: _flip,
}  # fmt: skip
