"""A loop along a text that grows is its own incremental form: a turn of the text takes the loop's turns of the new tokens.

Such a loop reads what grows at its own turn alone, `x[t]`, so what it knows of the tokens before is in its states, whose sizes do
not grow. They are all that is carried. A place without a token leaves them as they are. A loop that a condition ends holds what
has ended still by itself, so here it takes all its turns.
"""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.rewrite import Copier, reading, symbols_of
from mai.compiler.ir.structure import Constant, Loop, Spread
from mai.compiler.ir.types import Axis, DType, Type
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.shapes.shape import Expand
from mai.compiler.passes.text.growth import State
from mai.compiler.passes.text.turn import Grown, Turn

EARLIER = "`shift(x, 1)[t]` is `x` one token before; otherwise the file computes the whole text again for every token"


class LoopAlong:
    """One loop along the text, in a turn of it; `own` are the nodes of its body that depend on its turn."""

    def __init__(self, g: Turn, loop: Node, own: Sequence[Node]) -> None:
        self.g, self.loop, self.body, self.own, self.builder = g, loop, loop.regions[0], own, g.builder
        self.nodes = [n for own in self.own for n in (own, *(inner for r in own.regions for inner in r.walk()))]
        self.outside = self._outside()
        self.states: list[State] = []
        self.reads = {n for n in self.nodes if self._is_read(n)}

    def results(self) -> list[Grown]:
        """The last states, and rows of what is kept of the new tokens.

        Raises:
            MaiError: `looks-ahead`, where the loop reads what grows elsewhere than at its turn, or carries it.
        """
        self._check()
        g, b = self.g, self.builder
        first = [self._start(v, begin) for v, begin in zip(self.body.inputs[1:], self.loop.inputs[1:], strict=True)]
        region, count = self._turn_of_loop([v.type for v in first]), len(first)
        results = b.loop(b.size(g.new), Loop(g.new, fresh=False), first, region)
        last, rows, kept = results[:count], results[count : 2 * count], results[2 * count :]
        ended = [Grown(self._end(*each), now=True) for each in zip(self.states, last, rows, strict=True)]
        return [*ended, *(Grown(row, -row.type.rank, (), g.new) for row in kept)]

    def _start(self, state: Value, begin: Value) -> Value:
        """A state before the new tokens. Before the first it is zeros, as every state of a text begins, or what the loop begins with.

        Axes that a call is mapped over are axes of its shape while it is carried.
        """
        g, b = self.g, self.builder
        axes = self._mapped(state.type)
        shape = (*(axis.size for axis in axes), *state.type.shape)
        carried = g.carried(state.name, Type(state.type.dtype, shape, g.lead, state.type.classes))
        self.states.append(carried)
        value = b.lead(carried.value, axes) if axes else carried.value
        if _is_zero(begin):
            return value
        is_first = g.emit(logic.Equal, g.before, b.constant(0))
        first = g.emit(logic.Where, is_first, g.grown_of(begin).value, value, name=state.name)
        return b.spread(first, value.type.lead)

    def _end(self, state: State, last: Value, rows: Value) -> Value:
        """The state after the new tokens: what it becomes."""
        b, axes = self.builder, self._mapped(last.type)
        ends, all_ends = (b.unlead(v, len(axes)) if axes else v for v in (last, rows))
        state.next = self.g.after_last(ends, all_ends, -rows.type.rank)
        return b.lead(state.next, axes) if axes else state.next

    def _mapped(self, type: Type) -> tuple[Axis, ...]:
        return tuple(axis for axis in type.lead if axis not in self.g.lead)

    def _turn_of_loop(self, states: Sequence[Type]) -> Region:
        """The body at one new token. It keeps the states, too, for whoever goes on from another than the last token."""
        g, b = self.g, self.builder
        positions, has_token = g.positions(), g.emit(logic.GreaterEqual, g.places(), b.constant(0), name="has_token")
        token = Value(Type(DType.INT), "token")
        before = [Value(type, v.name) for type, v in zip(states, self.body.inputs[1:], strict=True)]
        region, outer = Region([token, *before]), b.region
        b.region = region
        position = g.emit(Take, positions, token, axis=-1, rank=1, name="position")
        there = g.emit(Take, has_token, token, axis=-1, rank=1, name="has_token")
        outputs = self._copied(token, position, before)
        after = [self._moved(there, new, old) for new, old in zip(outputs, before, strict=False)]
        region.outputs = [*after, *after, *outputs[len(states) :]]
        b.region = outer
        return region

    def _copied(self, token: Value, position: Value, before: Sequence[Value]) -> list[Value]:
        """The body's code on the rows of the new tokens; what leaves it."""
        g, b = self.g, self.builder
        mapping = {v: g.grown_of(v).value for v in self.outside}
        mapping.update(zip(self.body.inputs, [position, *before], strict=True))
        copier = Copier(b, mapping, self._rule, g.copier.sizes)
        for node in self.nodes:
            if node in self.reads:
                g.node, b.span, b.scope = node, node.span, node.scope
                row = g.emit(Take, g.rows(node.inputs[0]), token, **node.attributes, name=node.output.name)
                mapping[node.output] = row
        copier.nodes(self.own)
        return [copier[v] for v in self.body.outputs]

    def _rule(self, copier: Copier, node: Node) -> bool:
        """Read what the body takes of the growing values at its turn first. A loop inside has the same states and kept values as before."""
        if node in self.reads:
            return True
        if not node.regions:
            return False
        copier.copy(node)
        copied = copier[node.output].producer
        assert copied is not None, "a loop makes its results"
        for old, new in zip(node.regions, copied.regions, strict=True):
            carried = [
                *zip(copied.inputs[1:], new.inputs[1:], strict=True),
                *zip(new.outputs, old.outputs, strict=True),
            ]
            for value, wanted in carried:
                if value.type.lead != wanted.type.lead:
                    self.g.node = node
                    raise self.g.refused(
                        f"carries or keeps `{value.name}`, which is of a place of its own in each text,"
                    )
        return True

    def _outside(self) -> list[Value]:
        """What the loop's own code reads from around it."""
        read = [v for n in self.own for v in reading(n)] + self.body.outputs
        own = {*self.body.inputs, *(v for n in self.own for v in n.outputs)}
        return [v for v in dict.fromkeys(read) if v not in own]

    def _moved(self, there: Value, new: Value, old: Value) -> Value:
        moved = self.g.emit(logic.Where, there, new, old, name=old.name)
        return self.builder.spread(moved, old.type.lead)

    # ---------------------------------------------------------------- what is refused

    def _is_read(self, node: Node) -> bool:
        """Whether a node takes the row of the turn's own token."""
        if node.op is not Take or node.inputs[1] is not self.body.inputs[0]:
            return False
        return self._grows(node.inputs[0]) and self.g.grown_of(node.inputs[0]).row == node.attributes["axis"]

    def _grows(self, value: Value) -> bool:
        return bool(self.g.grown_of(value).axes)

    def _check(self) -> None:
        """Refuse a body with something else of the text than its states and the turn's own token."""
        g = self.g
        for value in (*self.loop.inputs[1:], *self.body.inputs[1:]):
            if g.axes(value) or self._grows(value):
                raise g.refused(f"carries `{value.name}`, which grows with the text,")
        for node in self.nodes:
            g.node = node
            if node in self.reads:
                continue
            if any(map(self._grows, node.inputs)):
                raise g.refused("reads what grows elsewhere than at the turn of its loop", help=EARLIER)
            if g.length in symbols_of(node):
                raise g.refused("depends on the length of the text")
        g.node = self.loop
        for value in (v for r in [self.body, *(r for n in self.nodes for r in n.regions)] for v in r.outputs):
            if self._grows(value):
                raise g.refused(f"keeps `{value.name}`, which grows, in every turn")
        if any(g.grown_of(value).now for value in (*self.loop.inputs[1:], *self.outside)):
            raise g.refused("would keep what is true of this turn only")


def is_along_text(g: Turn, node: Node) -> bool:
    """Whether a node is a loop with a turn for each token."""
    return node.op is Loop and g.is_length(Loop.of(node).count)


def _is_zero(value: Value) -> bool:
    """Whether a value is made of zeros when the file is compiled."""
    node = value.producer
    while node is not None and node.op in (Expand, Spread):
        node = node.inputs[0].producer
    number = Constant.of(node).value if node is not None and node.op is Constant else None
    return isinstance(number, (bool, int, float)) and not number
