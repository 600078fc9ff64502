"""`extend` in its incremental form, which never computes the past again.

The axis of the text is followed through the body. In a turn, a value holds the *rows* of the new tokens alone: the whole prompt in
the first turn, one token in every other. An operation that needs more keeps a state, as its `grown` says: attention keeps keys and
values, a running sum its value, a shift its last inputs. For any other operation, an axis along which it combines all tokens
becomes a *past* axis: the values of all tokens so far are kept, and the new ones are appended. That is correct if no token depends
on a later one, so what is summed over a past axis must be known to be neutral wherever a later token would stand.

A value that depends on all tokens so far and belongs to none of them, such as the logits of the next token, is valid in this turn
only (`now`): no state may be computed from it.

Rows may begin with `NOTHING`, for prompts of different lengths: positions count from the first token, and states ignore the
places before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import Copier, copy_graph, reading, rewriting
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import VIEWS, Extend, Lead, Loop, SizeOf, Spread, Unlead
from mai.compiler.ir.types import Axis, DType
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.shape import Expand, Reshape
from mai.compiler.ops.terms import Term
from mai.compiler.passes.loops.hoist import split_by_dependence
from mai.compiler.passes.text.beam import Moved, search
from mai.compiler.passes.text.causal import SAMPLED, Sample, combine_fills, is_neutral
from mai.compiler.passes.text.growth import Finish, State, grow
from mai.compiler.passes.text.last_row import LAST, looks_along, needs
from mai.compiler.passes.text.loop_along import LoopAlong, is_along_text
from mai.compiler.passes.text.turn import Grown, Turn
from mai.spec.diagnostics import MaiError


@rewriting(Extend)
def incremental(graph: Graph) -> Graph:
    """No `extend` is left: each is a loop over tokens with the states that its body needs.

    Raises:
        MaiError: `looks-ahead`, for a body that has no incremental form.
    """
    return copy_graph(graph, _rule)


def _rule(copier: Copier, node: Node) -> bool:
    if node.op is not Extend:
        return False
    inputs = [copier[v] for v in node.inputs]
    if Extend.of(node).width:
        copier.bind(node, *search(copier, node, inputs, lambda beams: Searched(beams, node)))
        return True
    growth = Growth(copier, node)
    copier.bind(node, *grow(copier, node, inputs, growth.advance))
    loop = next(n for n in reversed(copier.builder.region.nodes) if n.regions)
    tokens = Extend.of(node).count
    loop.structure = replace(Loop.of(loop), length=growth.length, limit=growth.longest, tokens=tokens)
    return True


class Growth(Turn):
    """One `extend` on its way to its incremental form."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.need = needs(self.extend.regions[0], self)
        self.samples = [Sample(self.extend, size) for size in SAMPLED]

    # ---------------------------------------------------------------- the turn

    def advance(self, turn: Value, row: Value) -> tuple[list[Value], Finish]:
        """The body for the new tokens; their ids, their number before, and how many places are nothing, are states."""
        region = self.extend.regions[0]
        tokens = self.begin(row)
        self.turn = turn
        self.grown[region.inputs[0]] = Grown(turn, now=True)
        self.grown[region.inputs[1]] = Grown(tokens, -1, (), self.new)
        self.nodes(region.nodes)
        return [self.grown_of(v).value for v in region.outputs], lambda chosen: self.end(row, chosen)

    def nodes(self, nodes: Sequence[Node]) -> None:
        """Take over nodes in their order, each in the form that a turn computes."""
        for node in nodes:
            self.node, self.builder.span, self.builder.scope = node, node.span, node.scope
            for sample in self.samples:
                sample.follow(node)
            for output, result in zip(node.outputs, self._of(node), strict=True):
                if result.value.producer is not None or result.value not in self.builder.region.inputs:
                    result.value.name = output.name
                self.grown[output] = result

    def _of(self, node: Node) -> list[Grown]:
        inputs = [self.grown_of(v) for v in node.inputs]
        read = [self.grown_of(v) for v in reading(node)] if node.regions else inputs
        if not any(g.axes for g in read) and not self._speaks(node):
            return self._plain(node, inputs)
        if is_along_text(self, node):
            return self._along(node)
        if node.op is Loop:
            return self._unrolled(node)
        if node.op is SizeOf:
            return [Grown(self.number(SizeOf.of(node).size), now=True)]
        special = node.op.grown(self, node) if node.op.grown is not None else None
        if special is not None:
            return [self._special(node, special, inputs)]
        return [self._general(node, inputs)]

    def _plain(self, node: Node, inputs: Sequence[Grown]) -> list[Grown]:
        """What has no growing axis is computed as it was."""
        for value, g in zip(node.inputs, inputs, strict=True):
            self.copier.mapping[value] = g.value
        if node.regions:
            for value, g in self.grown.items():
                self.copier.mapping[value] = g.value
        self.copier.copy(node)
        now = any(self.grown_of(v).now for v in reading(node))
        return [Grown(self.copier[v], now=now) for v in node.outputs]

    def _special(self, node: Node, special: Value, inputs: Sequence[Grown]) -> Grown:
        """The value that an operation made by its own rule: rows where its result grows, else something for this turn only."""
        axes = self.axes(node.output)
        if axes:
            now = any(g.now for g in inputs) and not node.op.lasting
            return Grown(special, axes[0], (), self.new, now=now)
        return Grown(special, now=True)

    def _unrolled(self, node: Node) -> list[Grown]:
        """A loop with shared weights around growing values, as its turns: each turn keeps states of its own."""
        region, count = node.regions[0], Loop.of(node).count
        if not isinstance(count, int):
            raise self.refused("is repeated a number of times that only the call knows")
        states = [self.grown_of(v) for v in node.inputs[1:]]
        for turn in range(count):
            first = Grown(self.builder.constant(turn))
            self.grown.update(zip(region.inputs, [first, *states], strict=True))
            self.histories, self.lasts = {}, {}
            self.nodes(region.nodes)
            states = [self.grown_of(v) for v in region.outputs]
        if len(states) != len(node.outputs):
            raise self.refused("keeps a row of every turn")
        return states

    def _along(self, loop: Node) -> list[Grown]:
        """A loop along the text, once what its turns have in common is computed."""
        free, own = split_by_dependence(loop.regions[0], set())
        self.nodes(free)
        self.node = loop
        return LoopAlong(self, loop, own).results()

    # ------------------------------------------------------------ one operation

    def expanded(self, node: Node) -> Value:
        operands = {v: Value(v.type, v.name) for v in node.inputs}
        self.grown.update((own, self.grown_of(v)) for v, own in operands.items())
        parts, expansion = Region(list(operands.values())), node.op.expansion
        assert expansion is not None, "a kernel says what it is made of"
        builder = Builder(parts, node.span, node.scope)
        result: Term = expansion(*(Term(builder, operands[v]) for v in node.inputs), **node.attributes)
        self.nodes(parts.nodes)
        return self.grown_of(result.value).value

    def summed(self, node: Node, op: type[Operation]) -> Value:
        if self.axes(node.output):
            raise self.refused("is of another number of tokens for each token")
        summed = replace(node, op=op)
        return self._general(summed, [self.grown_of(v) for v in node.inputs]).value

    def _general(self, node: Node, inputs: Sequence[Grown]) -> Grown:
        """An operation on rows and past axes, by where its axes go."""
        if node.op.along is None and node.op not in VIEWS:
            raise self.refused("takes no axis that grows")
        row, past = self._row_and_past(node, inputs)
        only_last = self.need.get(node.output) == LAST and row is not None
        supplied, consumed = [], []
        for operand, (value, g) in enumerate(zip(node.inputs, inputs, strict=True)):
            if g.row is None and not g.past:
                supplied.append(g)
                continue
            goes = {axis: self.route(node, operand, axis) for axis in g.axes}
            operand_value = self._supplied(
                g, value, {a for a, to in goes.items() if to != row or row is None}, only_last
            )
            eaten = [a for a, to in goes.items() if to is None or looks_along(node, a)]
            consumed += [(operand, axis) for axis in eaten]
            supplied.append(operand_value)
        self._check_causal(node, supplied, consumed, row)
        supplied = self._masked_operands(node, supplied, consumed)
        rows = 1 if only_last else self.new
        result = self._emitted(node, [g.value for g in supplied], self._sizes_of_axes(row, past, rows))
        now = any(g.now for g in inputs) or (bool(consumed) and row is None)
        fill = self._fill(node, supplied, row, past)
        return Grown(result, row, tuple(past), rows if row is not None else 0, now, fill)

    def _row_and_past(self, node: Node, inputs: Sequence[Grown]) -> tuple[int | None, list[int]]:
        """The result's axis of new tokens, and those of all tokens so far.

        What an operation makes of all tokens at once, as a softmax over them, has all of them anew in each turn, and so has what
        is computed of it.
        """
        axes = self.axes(node.output)
        if not axes:
            return None, []
        at_once = looks_along(node, axes[0]) or any(g.row is None and g.past for g in inputs)
        return (None, list(axes)) if len(axes) == 1 and at_once else (axes[0], list(axes[1:]))

    def _supplied(self, g: Grown, value: Value, whole: set[int], only_last: bool) -> Grown:
        """An operand with `whole` among its axes as past axes, and the rest as rows."""
        if g.row in whole:
            return self.history(g, value)
        for axis in g.past:
            if axis not in whole:
                what = "looks at every pair of tokens twice"
                raise self.refused("takes what is of all tokens at once into each" if g.row is None else what)
        return self.last(g, value) if only_last else g

    def _check_causal(
        self, node: Node, operands: Sequence[Grown], consumed: Sequence[tuple[int, int]], row: int | None
    ) -> None:
        """A sum over past axes must be neutral wherever a later token would stand."""
        for operand, _ in consumed:
            g = operands[operand]
            if node.op.neutral is None:
                raise self.refused("looks at all tokens at once")
            if row is None:
                continue
            sides = [o for o in operands if o.row is not None and o.past] or [g]
            if not any(is_neutral(o.fill, node.op.neutral) for o in sides):
                raise self._looking_ahead(g, node.op.neutral)

    def _looking_ahead(self, g: Grown, neutral: float) -> MaiError:
        """The error for an operand whose later tokens are not known to be neutral."""
        number = {-math.inf: "-1e9", math.inf: "1e9"}.get(neutral, f"{neutral:g}")
        shown = str(bool(neutral)).lower() if g.value.type.dtype is DType.BOOL else number
        return self.refused(
            f"looks at later tokens: where they stand there must be {shown}",
            help=f"mask them: `where(j <= i, x, {shown})`, with `i = range(P)[:, None]` and `j = range(P)`;"
            " other conditions are joined to it by `and`",
        )

    def _masked_operands(
        self, node: Node, operands: list[Grown], consumed: Sequence[tuple[int, int]]
    ) -> list[Grown]:  # fmt: skip
        """Before a sum over a past axis, the places that hold no token are made neutral, in one operand that has it."""
        if not consumed:
            return operands
        masked = set[int]()
        for operand, axis in sorted(consumed, key=lambda c: operands[c[0]].row is None):
            place = operands[operand].past.index(axis) if axis in operands[operand].past else None
            if place is None or (len(masked) and node.op.neutral == 0.0):
                continue
            masked.add(axis)
            operands[operand] = self._masked(operands[operand], axis, node.op.neutral)
        return operands

    def _masked(self, g: Grown, axis: int, neutral: float | None) -> Grown:
        """The neutral number at past places that hold no token. What rows without a token compute is never read, so they are left as they are."""
        rank = g.value.type.rank
        if axis < -rank:
            raise self.refused("sums over tokens that a call is mapped over")
        inner = max(-g.row - rank, 0) if g.row is not None else 0
        value = self.builder.unlead(g.value, inner) if inner else g.value
        has_token = self.along(self.columns_so_far() if g.row is None else self.columns(), axis)
        if g.row is not None:
            place = self.places() if g.rows != 1 else self.last_of(self.places())
            nothing = self.emit(logic.Less, self.along(place, g.row), self.builder.constant(0))
            has_token = self.emit(logic.LogicalOr, has_token, nothing)
        masked = self.emit(logic.Where, has_token, value, self.number_like(value, neutral or 0.0))
        return replace(g, value=self.builder.lead(masked, g.value.type.lead[-inner:]) if inner else masked)

    def _emitted(self, node: Node, inputs: Sequence[Value], sizes: Mapping[int, Size]) -> Value:
        """Emit the operation for this turn; `sizes` are the sizes of the growing axes of its result."""
        b, op, attributes = self.builder, node.op, dict(node.attributes)
        rank = node.output.type.rank
        if op is Unlead:
            return b.unlead(inputs[0], Unlead.of(node).count)
        if op is Lead:
            return b.lead(inputs[0], _resized(Lead.of(node).axes, rank, sizes))
        if op is Spread:
            return b.spread(inputs[0], _resized(self.copier.retyped(node.output.type).lead, rank, sizes))
        if op in (Reshape, Expand):
            attributes["shape"] = tuple(sizes.get(i - rank, s) for i, s in enumerate(attributes["shape"]))
        if any(self.has_length(a) for a in attributes.values()):
            raise self.refused("depends on the length of the text")
        result = b.emit_all(op, inputs, attributes, node.output.name)[0]
        if result.type.classes != node.output.type.classes:
            result.type = replace(result.type, classes=node.output.type.classes)
        return result

    def _sizes_of_axes(self, row: int | None, past: Sequence[int], rows: Size) -> dict[int, Size]:
        return ({} if row is None else {row: rows}) | dict.fromkeys(past, self.total)

    def _fill(self, node: Node, operands: Sequence[Grown], row: int | None, past: Sequence[int]) -> float | None:
        """The number that a result has above its diagonal; None where it is unknown or not one number."""
        if row is None or len(past) != 1:
            return None
        sampled = [sample.above(node.output, row, past[0]) for sample in self.samples]
        if None not in sampled and len(set(sampled)) == 1:
            return sampled[0]
        if node.op is red.Softmax and node.attributes["axis"] == past[0]:
            return 0.0
        fills = [self._fill_of(value, g) for value, g in zip(node.inputs, operands, strict=True)]
        return combine_fills(node, fills)

    def _fill_of(self, value: Value, g: Grown) -> float | None:
        """The number that an operand has above its diagonal; a constant has it everywhere."""
        number = self.samples[0].number(value)
        return g.fill if number is None else number


class Searched(Growth):
    """The incremental form of a turn of a beam search."""

    def scores(self, turn: Value, row: Value) -> Value:
        """The scores of the next token; the chosen tokens of the turn before are the new ones."""
        (scores,), self.finish = self.advance(turn, row)
        return self.builder.spread(scores, row.type.lead)

    def handed_on(self, row: Value, token: Value, moved: Moved) -> list[State]:
        """The token is chosen for the beam that it goes on; what is kept of the text before it goes along."""
        states = self.finish(token)
        for state in self.states:
            assert state.next is not None, "a turn says what becomes of each of its states"
            state.next = moved(self.builder.spread(state.next, state.value.type.lead))
        return states


def _resized(axes: Sequence[Axis], rank: int, sizes: Mapping[int, Size]) -> tuple[Axis, ...]:
    """Lead axes that stand before a shape of `rank` axes, with other sizes where `sizes` has them."""
    first = -rank - len(axes)
    return tuple(replace(axis, size=sizes.get(first + i, axis.size)) for i, axis in enumerate(axes))
