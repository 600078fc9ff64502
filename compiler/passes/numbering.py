"""What numbers the same things in a graph as it was elaborated: labels, and the axes that have one entry a label.

A spot is a value and one of its axes, counted from the end of its shape, or a lead axis; without an axis it is the value's
whole numbers. Spots that number the same are of one kind. Operations say which of theirs do (`ops/numbering.py`), loops hand
them on, and weights and calls of functions link what one graph numbers with what another does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.structure import DERIVATIVES, VIEWS, Across, Extend, Integrate, Lead, Loop, Unlead, WeightOf
from mai.compiler.ir.types import BATCH_DEPTH, Axis
from mai.compiler.ops.numbering import RESULT, Place
from mai.spec.source import Span

Spot = tuple[Value, int | Axis | None]
# An axis of a weight, or of what a parameter or a result of a function stands for; without an axis its whole numbers.
Link = tuple[str | tuple[Span, str | int], int | None]


class Numbering:
    """The kinds of a graph's spots: `kind(spot)` is the same for two that number the same things."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._next: dict[Spot, Spot] = {}
        for node in graph.walk():
            self._follow(node)

    def kind(self, spot: Spot) -> Spot:
        """One spot that stands for all of a kind."""
        while (nearer := self._next.get(spot, spot)) != spot:
            self._next[spot] = self._next.get(nearer, nearer)
            spot = nearer
        return spot

    def links(self) -> Iterator[tuple[Link, Spot]]:
        """The spots that other graphs have, too, each by what it is called there."""
        for node in self.graph.walk():
            if node.op is WeightOf:
                weight, value = WeightOf.of(node).weight, node.output
                yield from (((weight, axis), (value, axis)) for axis in range(-value.type.rank, 0))
        for slot, values in self.graph.calls.items():
            for value in values:
                yield from (((slot, axis), (value, axis)) for axis in (None, *range(-value.type.rank, 0)))

    def _join(self, a: Spot, b: Spot) -> None:
        self._next[self.kind(a)] = self.kind(b)

    def _join_all(self, *values: Value) -> None:
        """The same things in another form: whole numbers, and axes of one size counted from the end."""
        first = values[0]
        for other in values[1:]:
            self._join((first, None), (other, None))
            for axis in range(-min(first.type.rank, other.type.rank), 0):
                if first.type.shape[axis] == other.type.shape[axis]:
                    self._join((first, axis), (other, axis))

    # ------------------------------------------------------------------ nodes

    def _follow(self, node: Node) -> None:
        for value in node.inputs:
            for output in node.outputs:
                for axis in {*value.type.lead} & {*output.type.lead}:
                    if axis.depth != BATCH_DEPTH:
                        self._join((value, axis), (output, axis))
        if node.op is Lead:
            self._entered(node.inputs[0], node.output, Lead.of(node).axes)
        elif node.op is Unlead:
            self._entered(node.output, node.inputs[0], node.inputs[0].type.lead[-Unlead.of(node).count :])
        elif node.op in (*VIEWS, Across):
            self._join_all(node.inputs[0], node.output)
        elif node.regions:
            self._bodies(node)
        elif node.op in DERIVATIVES:
            self._join_all(node.inputs[1 if node.op is DERIVATIVES[0] else 0], node.output)
        else:
            self._operation(node)

    def _entered(self, whole: Value, inner: Value, axes: Sequence[Axis]) -> None:
        """The first axes of `whole` are the lead axes `axes` of `inner`."""
        self._join_all(whole, inner)
        for place, axis in enumerate(axes):
            self._join((whole, place - whole.type.rank), (inner, axis))

    def _bodies(self, node: Node) -> None:
        """States before a body, in it, as it leaves them, and after the last turn; then what was kept of every turn."""
        body = node.regions[0]
        if node.op is Extend:
            tokens = node.inputs[0], body.inputs[1]
            searched = Extend.of(node).width > 0
            self._join_all(*tokens, *node.outputs[: 2 if searched else 1], *([] if searched else body.outputs[:1]))
            for row, rows in zip(body.outputs[1:], node.outputs[1:], strict=False):
                self._join_all(row, rows)
            return
        count = len(body.inputs) - 1 if node.op is Loop else len(body.outputs) - _ends(node)
        first, inside = node.inputs[len(node.inputs) - count :], body.inputs[len(body.inputs) - count :]
        for values in zip(inside, first, body.outputs[:count], node.outputs[:count], strict=True):
            self._join_all(*values)
        if node.op is not Integrate:
            kept = list(zip(body.outputs[count:], node.outputs[count:], strict=False))
        else:
            integral = Integrate.of(node)
            places = (*integral.keep, *integral.asked)
            kept = list(zip([inside[i] for i in places], node.outputs[len(node.outputs) - len(places) :], strict=True))
        for row, path in kept:
            self._join_all(row, path)

    def _operation(self, node: Node) -> None:
        types = [value.type for value in node.inputs]
        pairs = node.op.numbering(types, node.attributes) if node.op.numbering is not None else []
        apart = {place for place, other in pairs if other is None}
        for place, other in pairs:
            if other is not None:
                self._join(_spot(node, place), _spot(node, other))
        for operand, type_ in enumerate(types):
            for axis in range(-type_.rank, 0):
                if (operand, axis) not in apart:
                    self._axis(node, operand, axis)

    def _axis(self, node: Node, operand: int, axis: int) -> None:
        """An axis of an operand goes where the operation says; one of size one may be repeated there."""
        if node.op.along is None:
            return
        types = [value.type for value in node.inputs]
        goes: int | None = node.op.along(types, node.attributes, operand, axis)
        shape = node.output.type.shape
        if goes is not None and -len(shape) <= goes < 0 and shape[goes] == types[operand].shape[axis]:
            self._join((node.inputs[operand], axis), (node.output, goes))


def _spot(node: Node, place: Place) -> Spot:
    operand, axis = place
    return (node.output if operand == RESULT else node.inputs[operand], axis)


def _ends(node: Node) -> int:
    """How many outputs of a body say where it ends."""
    return int(isinstance(node.structure, Integrate) and node.structure.until)
