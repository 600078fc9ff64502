"""Beam search: `extend ... using beam(width)` as a loop, in both executable forms (transformers' `num_beams`).

The beams of an example lie side by side: the batch is `width` times as large, and everything that the body computes or keeps has
that larger batch. After each turn the kept states of a beam become those of the beam that it goes on from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mai.compiler.ir.graph import Node, Region, Value
from mai.compiler.ir.rewrite import Copier, free_values
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import NOTHING, Across, Extend, Loop
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.reductions.truth import AllOf
from mai.compiler.ops.shapes.gather import Gather, TopPlaces
from mai.compiler.ops.shapes.indexing import Iota, Take
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.ops.terms import Term
from mai.compiler.passes.fill import full
from mai.compiler.passes.text.growth import State, is_one_of, smallest

LOW = -1e9  # The score of a beam that is none.
Moved = Callable[[Value], Value]


class Form(Protocol):
    """How the body of an `extend` is computed in a turn: of the whole row again, or of the new token alone."""

    def scores(self, turn: Value, row: Value) -> Value:
        """The score of each next token, [vocab], for each beam."""

    def handed_on(self, row: Value, token: Value, moved: Moved) -> list[State]:
        """The states with the chosen token; `moved` gives each beam what the beam that it goes on from has."""


def search(
    copier: Copier, node: Node, inputs: Sequence[Value], form: Callable[[Copier], Form]
) -> tuple[Value, Value, Value]:
    """The best text of each example, what all texts appended, and their scores, by a loop; `inputs` are the row, how many tokens, those that end it, and the length penalty."""
    beams = Beams(copier, node, inputs)
    return beams.text(form(beams.copier))


class Beams:
    """One `extend` on its way to a loop over turns of all beams."""

    def __init__(self, copier: Copier, node: Node, inputs: Sequence[Value]) -> None:
        self.builder, self.node, self.extend = copier.builder, node, Extend.of(node)
        self.row, self.count, *self.stops, self.penalty = inputs
        self.width, self.axis = self.extend.width, self.row.type.lead[0]
        self.many = Axis("beams", self.axis.size * self.width, BATCH_DEPTH)
        batch = next(a for a in node.inputs[0].type.lead if a.depth == BATCH_DEPTH)
        read = [v for v in free_values(node.regions[0]) if copier[v].type.batched]
        own = {v: self._repeated(copier[v]) for v in read}
        axes = {batch: self.many, self.axis: self.many}
        self.copier = Copier(self.builder, {**copier.mapping, **own}, None, copier.sizes, axes)

    # ---------------------------------------------------------------- the loop

    def text(self, form: Form) -> tuple[Value, Value, Value]:
        """The loop: the best of the finished texts after the row, and all of them with their scores."""
        b, wide = self.builder, self._repeated(self.row)
        region, outer = Region([Value(Type(DType.INT), "turn")]), b.region
        b.region = region
        scores = form.scores(region.inputs[0], wide)
        self._begin()
        token, parent = self._turn(self._term(region.inputs[0]), self._per_example(scores))
        source = self._flat(parent + self._numbers() * self.width)
        states = [
            *self._states(),
            *form.handed_on(wide, self._led(self._flat(token)), lambda v: self._moved(v, source)),
        ]
        region.inputs += [s.value for s in states]
        region.outputs = [s.next for s in states if s.next is not None]
        b.region = outer
        loop = Loop(self.extend.count, fresh=False, stops=True, tokens=self.extend.count)
        results = b.loop(self.count, loop, [s.first(b) for s in states], region)
        texts, scores = (results[[s.value for s in states].index(x.value)] for x in (self.best, self.finished))
        best = b.emit(Concat, self.row, self._term(texts).pick(-2, 0).value, axis=-1, name=self.node.output.name)
        return best, texts, scores

    def _begin(self) -> None:
        """The states of the search, one an example: beams that go on, and the best of the finished."""
        w, row = self.width, (self.width, self.extend.count)
        lead, real, whole, truth = (self.axis,), Type(DType.REAL), Type(DType.INT), Type(DType.BOOL)

        def state(name: str, type: Type, shape: tuple[Size, ...], first: float) -> State:
            value = Value(type.with_shape(shape).with_lead(lead), name)
            return State(value, lambda b: full(b, value.type, first))

        self.going = State(Value(truth, "going"), lambda b: b.constant(True))
        self.running = state("running", real, (w,), 0.0)
        alone = (0.0, *[LOW] * (w - 1))  # All beams begin with one text.
        self.running.first = lambda b: b.spread(b.constant(alone), lead)
        self.texts, self.best = state("texts", whole, row, NOTHING), state("best", whole, row, NOTHING)
        self.finished, self.ended = state("finished", real, (w,), LOW), state("ended", truth, (w,), 0)
        self.open = state("open", truth, (), 1)

    def _states(self) -> list[State]:
        return [self.going, self.running, self.texts, self.best, self.finished, self.ended, self.open]

    # ---------------------------------------------------------------- one turn

    def _turn(self, turn: Term, scores: Term) -> tuple[Term, Term]:
        """From the scores of the next tokens [width, vocab] to the tokens that are appended, and to which beams: [width]."""
        w, vocab = self.width, scores.shape[-1]
        assert isinstance(vocab, int), "there are as many tokens as the vocabulary says"
        total = (scores + self._of(self.running).unsqueeze(-1)).reshape(w * vocab)
        most = min(max(2, 1 + len(self.stops)) * w, w * vocab)
        value, place = _largest(total, most)
        parent, token = place.emit(el.FloorDivide, vocab), place.emit(el.Modulo, vocab)
        written = turn.range(self.extend.count).emit(logic.Equal, turn)
        rows = written.where(token.unsqueeze(-1), _rows(self._of(self.texts), parent))
        hits = self._hits(turn, token)
        goes_on, kept = _largest(value + hits.emit(el.ToReal) * LOW, w)
        self.running.next, self.texts.next = goes_on.value, _rows(rows, kept).value
        length = (turn + 1).emit(el.ToReal).emit(el.Power, self._term(self.penalty))
        self._finish(value / length, rows, hits)
        self._close(goes_on.pick(-1, 0) / length, hits)
        return token.emit(Gather, kept, axis=-1), parent.emit(Gather, kept, axis=-1)

    def _hits(self, turn: Term, token: Term) -> Term:
        """Which candidates end: by a token that ends a text, or since they are as long as they may be."""
        last = (turn + 1).emit(logic.GreaterEqual, self._term(self.count))
        if not self.stops:
            return token.emit(logic.Equal, token).emit(logic.LogicalAnd, last)
        ended = self._term(is_one_of(self.builder, token.value, self.stops))
        return ended.emit(logic.LogicalOr, last)

    def _finish(self, score: Term, rows: Term, hits: Term) -> None:
        """Of the finished and those of the first candidates that end now, the best are kept."""
        first = score.range(score.shape[-1]).emit(logic.Less, self.width)
        new = hits.emit(logic.LogicalAnd, first)
        shut = self._of(self.open).where(0.0, LOW).unsqueeze(-1)
        joined = self._of(self.finished).emit(Concat, score + shut + new.where(0.0, LOW), axis=-1)
        value, kept = _largest(joined, self.width)
        self.finished.next = value.value
        self.best.next = _rows(self._of(self.best).emit(Concat, rows, axis=-2), kept).value
        self.ended.next = self._of(self.ended).emit(Concat, new, axis=-1).emit(Gather, kept, axis=-1).value

    def _close(self, hope: Term, hits: Term) -> None:
        """An example is done where no beam could be better than its worst finished text at the length of now, or `early`, where all are finished."""
        worst = self._term_of(self.finished).emit(red.Min, axes=(-1,))
        is_full = self._term_of(self.ended).emit(AllOf, axes=(-1,))
        better = hope.emit(logic.Greater, is_full.where(worst, LOW))
        dead = hits.emit(AllOf, axes=(-1,)).emit(logic.LogicalNot)
        opened = self._of(self.open).emit(logic.LogicalAnd, better).emit(logic.LogicalAnd, dead)
        if self.extend.early:
            opened = opened.emit(logic.LogicalAnd, is_full.emit(logic.LogicalNot))
        self.open.next = opened.value
        shut = self._term(smallest(self.builder, opened.where(0.0, 1.0).value))
        self.going.next = shut.emit(logic.Less, 0.5).value

    # ------------------------------------------------------------ examples and beams

    def _repeated(self, value: Value) -> Value:
        """What an example has, for each of its beams."""
        index = self.builder.emit(Iota, count=self.many.size)
        return self._led(self._across(value), self._term(index).emit(el.FloorDivide, self.width))

    def _moved(self, value: Value, source: Term) -> Value:
        """What the beams have that others go on from; a value without beams is as it was."""
        return self._led(self._across(value), source) if self.many in value.type.lead else value

    def _led(self, every: Term, index: Term | None = None) -> Value:
        """The first axis as that of the beams, of those of an index where there is one."""
        rank = every.rank
        taken = every if index is None else every.emit(Take, index, axis=-rank, rank=rank, index_rank=1)
        return self.builder.lead(taken.value, (self.many,))

    def _per_example(self, value: Value) -> Term:
        """What each beam has, [width, ...] for each example."""
        every = self._across(value)
        apart = every.reshape(self.axis.size, self.width, *every.shape[1:])
        return self._term(self.builder.lead(apart.value, (self.axis,)))

    def _flat(self, each: Term) -> Term:
        """[width] of each example as one row of all beams."""
        return self._across(each.value).reshape(self.many.size)

    def _numbers(self) -> Term:
        """The number of each example in its batch."""
        return self._term(self.builder.lead(self.builder.emit(Iota, count=self.axis.size), (self.axis,)))

    def _across(self, value: Value) -> Term:
        """The batch as the first axis of the shape."""
        batch, *inner = value.type.lead
        type = Type(value.type.dtype, (batch.size, *value.type.shape), tuple(inner))
        return self._term(self.builder.add(Across(), [value], [type], name=value.name).output)

    def _of(self, state: State) -> Term:
        return self._term(state.value)

    def _term_of(self, state: State) -> Term:
        """What a state becomes."""
        assert state.next is not None, "it is made before it is asked for"
        return self._term(state.next)

    def _term(self, value: Value) -> Term:
        return Term(self.builder, value)


def _largest(x: Term, count: int) -> tuple[Term, Term]:
    """The largest along the last axis, and their places."""
    places = x.emit(TopPlaces, axis=-1, count=count)
    return x.emit(Gather, places, axis=-1), places


def _rows(table: Term, index: Term) -> Term:
    """The rows [n, ...] of a table that an index names."""
    return table.emit(Take, index, axis=-2, rank=2, index_rank=1)
