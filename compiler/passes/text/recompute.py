"""`extend` in its plain form: every turn computes the whole row again. The incremental form is compared with it.

A body may do anything with its tokens, so a row that begins with places without a token is computed without them. Rows of one
length are computed side by side; where lengths differ, an outer loop takes one example a turn. It is one loop for both: its turns
take a *group* of examples, all of them or one.
"""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, free_values, rewriting
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import NOTHING, Across, Extend, Loop
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Iota, Slice, Take
from mai.compiler.ops.shapes.shape import Concat, Unsqueeze
from mai.compiler.ops.terms import Term
from mai.compiler.passes.fill import full
from mai.compiler.passes.text.beam import Moved, search
from mai.compiler.passes.text.growth import Finish, State, grow, longest

NUMBER = Type(DType.INT)


@rewriting(Extend)
def recompute(graph: Graph) -> Graph:
    """Replace each `extend` by a loop whose state is the row so far, each row as it would be alone."""
    return copy_graph(graph, _rule)


def _rule(copier: Copier, node: Node) -> bool:
    if node.op is not Extend:
        return False
    copier.bind(node, *Recomputed(copier, node).results())
    return True


@rewriting(Extend)
def recompute_alike(graph: Graph) -> Graph:
    """The same for rows of one length, without the outer loop."""
    return copy_graph(graph, _alike)


def _alike(copier: Copier, node: Node) -> bool:
    if node.op is not Extend:
        return False
    copier.bind(node, *_grown(copier, node, [copier[v] for v in node.inputs]))
    return True


def _grown(copier: Copier, node: Node, inputs: Sequence[Value]) -> Sequence[Value]:
    """The text of an `extend`, and what else a search gives, by a loop over tokens; `inputs` are the row, how many tokens, and the one that ends it."""
    if Extend.of(node).width:
        return search(copier, node, inputs, lambda beams: Whole(beams, node))
    builder, region, length = copier.builder, node.regions[0], Extend.of(node).length

    def advance(turn: Value, row: Value) -> tuple[list[Value], Finish]:
        so_far = Value(row.type.with_shape((symbol(length),)), row.name)
        copier.sizes[length] = (so_far, len(row.type.lead))
        tokens = builder.emit(el.Maximum, so_far, builder.constant(0), name=row.name)
        copier.mapping.update(zip(region.inputs, [turn, tokens], strict=True))
        copier.nodes(region.nodes)

        def finish(token: Value) -> list[State]:
            longer = builder.emit(Concat, so_far, builder.emit(Unsqueeze, token), axis=-1, name=row.name)
            return [State(so_far, lambda _: row, longer)]

        return [copier[v] for v in region.outputs], finish

    return grow(copier, node, inputs, advance)


class Whole:
    """A turn of a beam search that computes the whole row."""

    def __init__(self, copier: Copier, node: Node) -> None:
        self.copier, self.node = copier, node

    def scores(self, turn: Value, row: Value) -> Value:
        """The scores of the next token."""
        copier, builder, region, length = (
            self.copier,
            self.copier.builder,
            self.node.regions[0],
            Extend.of(self.node).length,
        )
        self.so_far = Value(row.type.with_shape((symbol(length),)), row.name)
        copier.sizes[length] = (self.so_far, len(row.type.lead))
        tokens = builder.emit(el.Maximum, self.so_far, builder.constant(0), name=row.name)
        copier.mapping.update(zip(region.inputs, [turn, tokens], strict=True))
        copier.nodes(region.nodes)
        return builder.spread(copier[region.outputs[0]], row.type.lead)

    def handed_on(self, row: Value, token: Value, moved: Moved) -> list[State]:
        """The row that each beam goes on from, and its token."""
        b = self.copier.builder
        longer = b.emit(Concat, moved(self.so_far), b.emit(Unsqueeze, token), axis=-1, name=row.name)
        return [State(self.so_far, lambda _: row, longer)]


class Recomputed:
    """One `extend` on its way to a loop over groups of examples, each with a loop over tokens."""

    def __init__(self, copier: Copier, node: Node) -> None:
        self.copier, self.node, self.builder = copier, node, copier.builder
        self.row, extend = copier[node.inputs[0]], Extend.of(node)
        self.batch = next(axis for axis in self.row.type.lead if axis.depth == BATCH_DEPTH)
        self.count = extend.count
        self.group, self.empty = (Value(NUMBER, f"{extend.length}_{name}") for name in ("group", "empty"))
        self.axis = Axis("group", symbol(self.group.name), BATCH_DEPTH)
        copier.sizes |= {self.group.name: self.group, self.empty.name: self.empty}

    def results(self) -> list[Value]:
        """The outer loop. Its states: how many examples a turn takes, the places of theirs without a token, the prompts, the results."""
        b = self.builder
        empties = self._across(self._empties(), (self.batch.size,))
        examples, one = empties.whole(self.batch.size), empties.other(1)
        unlike = empties.emit(red.Max, axes=(-1,)).emit(logic.Greater, 0)
        turns, group = unlike.where(examples, one), unlike.where(one, examples)
        before = [Value(self._of_all(v), v.name) for v in self.node.outputs]
        prompts = Value(self.row.type, self.row.name)
        turn = Value(NUMBER, "turn")
        region, outer = Region([turn, self.group, self.empty, prompts, *before]), b.region
        b.region = region
        self.members = Term(b, turn) + Term(b, b.emit(Iota, count=self.axis.size))
        later = (Term(b, turn) + 1).emit(el.Minimum, examples - 1)
        after = empties.emit(Take, later, axis=-1, rank=1)
        placed = [self._placed(turn, old, new).value for old, new in zip(before, self._results(prompts), strict=True)]
        region.outputs = [self.group, after.value, prompts, *placed]
        b.region = outer
        loop = Loop(None, fresh=False, limit=longest(self.node), tokens=self.count)
        nothing = [full(b, v.type, NOTHING if v.type.dtype is DType.INT else 0) for v in before]
        first = [group.value, empties.pick(-1, 0).value, self.row, *nothing]
        _, _, _, *results = b.loop(turns.value, loop, first, region)
        return [b.lead(rows, self.row.type.lead) for rows in results]

    def _of_all(self, value: Value) -> Type:
        """The type of a result with the examples as the first axis of its shape."""
        type = self.copier.retyped(value.type)
        return Type(type.dtype, (self.batch.size, *type.shape))

    def _empties(self) -> Value:
        """How many places of each row hold no token, []."""
        nothing = Term(self.builder, self.row).emit(logic.Less, 0).emit(el.ToReal)
        return nothing.sum().emit(el.ToInt).value

    def _results(self, prompts: Value) -> list[Term]:
        """The results of a turn's examples, [group, ...]; a text is preceded by its places without a token."""
        b, node = self.builder, self.node
        read = [v for v in free_values(node.regions[0]) if self.copier[v].type.batched]
        own = {v: self._of_group(self.copier[v]) for v in read}
        inner = Copier(b, {**self.copier.mapping, **own}, None, self.copier.sizes, {self.batch: self.axis})
        _, *rest = node.inputs
        empty = symbol(self.empty.name)
        tokens = b.emit(Slice, self._of_group(prompts), start=empty, name=self.row.name)
        start = [tokens, *(self._of_group(v) if v.type.batched else v for v in (self.copier[i] for i in rest))]
        text, *more = _grown(inner, node, start)
        padding = Term(b, b.constant(NOTHING)).expand((empty,))
        whole = padding.emit(Concat, Term(b, text), axis=-1).value
        return [self._across(value, (self.axis.size,)) for value in (whole, *more)]

    def _of_group(self, value: Value) -> Value:
        """A value that each example has its own of, for the examples of a turn."""
        every = self._across(value, (self.batch.size,))
        rank = every.rank
        taken = every.emit(Take, self.members, axis=-rank, rank=rank, index_rank=1)
        return self.builder.lead(taken.value, (self.axis,))

    def _placed(self, turn: Value, before: Value, new: Term) -> Term:
        """The results of all examples, [batch, ...], with those of a turn in their places."""
        place = new.range(self.batch.size) - Term(self.builder, turn)
        own = place.emit(logic.GreaterEqual, 0).emit(logic.LogicalAnd, place.emit(logic.Less, new.whole(new.shape[0])))
        taken = new.emit(Take, own.where(place, 0), axis=-new.rank, rank=new.rank, index_rank=1)
        return own.reshape(self.batch.size, *(1,) * (new.rank - 1)).where(taken, Term(self.builder, before))

    def _across(self, value: Value, size: tuple[Size]) -> Term:
        """The batch as the first axis of the shape."""
        across = Type(value.type.dtype, (*size, *value.type.shape), value.type.lead[1:])
        return Term(self.builder, self.builder.add(Across(), [value], [across], name=value.name).output)
