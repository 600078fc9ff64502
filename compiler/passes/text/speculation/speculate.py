"""Speculation: `extend` in its incremental form with several tokens a turn (Leviathan et al. 2023).

A turn reads the last token and drafts, which are guesses of the tokens after it. It chooses the next token after each of them by
the body's own rule, each with the random numbers of its own place in the text. The chosen tokens are accepted up to the first
that differs from its draft: all drafts before it were right, so these are the tokens that turns of one token would have chosen.
The drafts are how the text continued after an earlier occurrence of its last tokens (`prompt_lookup.py`, `drafts.py`).

Values of the last token alone get one more lead axis, `draft`, so that the token after each draft is computed as if it were that
of another example. A state of fixed size continues from the last right draft. Keys and values of wrong drafts stay in the cache,
marked as places without a token, like those before a short prompt. So every example of a batch accepts its own drafts, and no
cache is copied.

How many drafts a turn reads follows from how many were right in the turn before. One guess more than was read is compared as
well, at no cost, so a text that does not repeat itself reads no drafts, and a text that starts to repeat itself is noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import TURNS, Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, reading, rewriting
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import NOTHING, Extend, Loop
from mai.compiler.ir.types import Axis, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Iota, Pick, Slice, Take
from mai.compiler.ops.shapes.shape import Concat, Transpose, Unsqueeze
from mai.compiler.ops.terms import Term
from mai.compiler.passes.fill import full
from mai.compiler.passes.text.growth import State, smallest
from mai.compiler.passes.text.incremental import Growth
from mai.compiler.passes.text.speculation import drafts
from mai.compiler.passes.text.speculation.drafts import Text
from mai.compiler.passes.text.speculation.prompt_lookup import PADS, at
from mai.compiler.passes.text.turn import Grown
from mai.spec.diagnostics import Diagnostic, MaiError

DRAFT_DEPTH = 0.5  # The axis is inside the batch, and outside the axes that a call is mapped over.
INTEGER, TRUTH = Type(DType.INT), Type(DType.BOOL)


@rewriting(Extend)
def speculative(graph: Graph, most: int) -> Graph:
    """Replace each `extend` by a loop that reads up to `most` drafts a turn; one more output counts the turns.

    Raises:
        MaiError: `looks-ahead`, for a body that has no incremental form; `no-drafts`, for one that cannot read several.
    """
    counts: list[Value] = []

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not Extend:
            return False
        if Extend.of(node).width:
            message = "a beam search reads one token a beam in each turn"
            raise MaiError([Diagnostic("no-drafts", node.span, message, help="compile without `--speculate`")])
        counts.append(Speculation(copier, node, most=most).rewrite())
        return True

    result = copy_graph(graph, rule)
    total, *rest = (Term(Builder(result), turns) for turns in counts)
    for turns in rest:
        total = total + turns
    result.outputs.append(total.value)
    result.output_names.append(TURNS)
    return result


@dataclass(eq=False)
class Speculation(Growth):
    """One `extend` on its way to a loop whose turns read up to `most` drafts."""

    most: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chosen, self.width = symbol(f"{self.length}_chosen"), symbol(f"{self.length}_held")
        self.draft = Axis("draft", self.chosen, DRAFT_DEPTH)

    # ---------------------------------------------------------------- the loop

    def rewrite(self) -> Value:
        """Put the loop in the place of the `extend`; the number of its turns is returned."""
        b, extend = self.builder, self.extend
        row, count, *stops = (self.copier[v] for v in extend.inputs)
        tokens = Extend.of(extend).count
        first = drafts.start_text(b, row, tokens, self.most)
        self._measure(row, tokens)
        region, outer = Region([Value(INTEGER, "turn")]), b.region
        b.region, self.text = region, first.as_inputs()
        chosen, *kept = self._choose(row)
        after, right, added, wanted = drafts.accept_drafts(self.text, chosen, stops)
        states = [
            *self._running(region.inputs[0], after),
            *(State(t.value, _from(f.value), a.value) for t, f, a in zip(self.text, first, after, strict=True)),
            *self._reading(row, after, right, wanted),
            *(self._last_right(s, right) for s in self.states),
            *self._rows_kept(row, kept, added),
        ]
        region.inputs += [s.value for s in states]
        region.outputs = [s.next for s in states if s.next is not None]
        b.region = outer
        loop = Loop(tokens, False, True, NOTHING, self.length, self.longest, tokens, self.most)
        _, turns, text, *others = b.loop(count, loop, [s.first(b) for s in states], region)
        longer = b.emit(Slice, text, start=PADS, name=extend.outputs[0].name)
        self.copier.bind(extend, longer, *others[len(others) - len(kept) :])
        return b.spread(turns, row.type.lead)

    def _measure(self, row: Value, count: Size) -> None:
        """Compute before the loop how many places of each prompt hold no token, and the last position that is ever read."""
        size = row.type.shape[0]
        nothing = self._term(row).emit(logic.Less, 0).emit(el.ToReal)
        self.nothing = nothing.sum(keep=True).emit(el.ToInt)
        self.final = self._size(size + count - 2) - self.nothing

    def _choose(self, row: Value) -> list[Term]:
        """The token after the last one and after each draft, [chosen]; then what is kept with each, [chosen, ...]."""
        region = self.extend.regions[0]
        tokens = self.begin(row)
        numbers = self._drafts() + (self.text.filled.pick(-1, 0) - self._size(row.type.shape[0] + PADS))
        self.grown[region.inputs[0]] = Grown(numbers.value, now=True)
        self.grown[region.inputs[1]] = Grown(tokens, -1, (), self.new)
        self.nodes(region.nodes)
        by_draft = [self.builder.spread(self.grown_of(v).value, (*self.lead, self.draft)) for v in region.outputs]
        return [self._term(self.builder.unlead(v, 1)) for v in by_draft]

    def begin(self, row: Value) -> Value:
        """The tokens to read: the first `new` of a window, which is the prompt, or the last token and all guesses."""
        lead, b, sizes = row.type.lead, self.builder, self.copier.sizes
        self.lead = lead
        self.window = Value(row.type.with_shape((self.width,)), "window")
        self.read, self.choosing, self.before = (Value(INTEGER, name) for name in ("new", "chosen", "past"))
        self.begins = self.empty = Value(INTEGER.with_shape((1,)).with_lead(lead), "begins")
        self.there = Value(TRUTH.with_shape((self.past,)).with_lead(lead), "there")
        sizes[str(self.width)] = self.window, len(lead)
        sizes |= {str(self.new): self.read, str(self.chosen): self.choosing, str(self.past): self.before}
        self.ids = b.emit(Slice, self.window, stop=self.new, name="ids")
        return b.emit(el.Maximum, self.ids, b.constant(0), name=row.name)

    def _running(self, turn: Value, after: Text) -> list[State]:
        """Whether a row goes on, and the number of turns."""
        least = self._term(smallest(self.builder, after.filled.pick(-1, 0).value))
        going = least.emit(logic.Less, self._size(after.room))
        return [
            State(Value(TRUTH, "going"), lambda b: b.constant(True), going.value),
            State(Value(INTEGER, "turns"), lambda b: b.constant(0), (self._term(turn) + 1).value),
        ]

    def _reading(self, row: Value, after: Text, right: Term, wanted: Term) -> list[State]:
        """What the next turn reads, and what it knows of the places before."""
        wrong, width = self._size(self.chosen - 1) - right, (wanted + 1).value
        kept = self._term(self.emit(Iota, count=self.new)).emit(logic.Less, self._size(self.new) - wrong)
        there = self._term(self._has_token()).emit(logic.LogicalAnd, kept)
        last = at(after.row, after.filled - 1)
        window = last.emit(Concat, after.guess.slice(-1, None, self.most), axis=-1)
        return [
            State(self.window, _from(row), window.value),
            State(self.read, lambda b: b.size(row.type.shape[0]), width),
            State(self.choosing, lambda b: b.constant(1), width),
            State(self.before, lambda b: b.constant(0), (self._term(self.before) + self._size(self.new)).value),
            State(self.begins, _from(self.nothing.value), (self._term(self.begins) + wrong).value),
            State(self.there, lambda b: full(b, self.there.type, 0, self.past), self._joined(self.there, there.value)),
        ]

    def _rows_kept(self, row: Value, kept: Sequence[Term], added: Term) -> list[State]:
        """What was kept with each token that was appended so far, [count, ...], and 0 for those that are to come."""
        place, is_new = (t.slice(-1, row.type.shape[0] + PADS, None) for t in drafts.places_of_new(self.text, added))
        states = []
        for each, output in zip(kept, self.extend.outputs[1:], strict=True):
            type, rank = output.type, output.type.rank
            before = Value(type, output.name)
            rows = self.emit(Take, each.value, place.value, axis=-rank, rank=rank, index_rank=1)
            here = is_new.value
            for _ in range(rank - 1):
                here = self.emit(Unsqueeze, here)
            after = self.emit(logic.Where, here, rows, before, name=output.name)
            states.append(State(before, lambda b, type=type: full(b, type, 0), after))  # type: ignore[misc]
        return states

    def _joined(self, before: Value, new: Value) -> Value:
        return self.emit(Concat, before, new, axis=-1, name=before.name)

    def _last_right(self, state: State, right: Term) -> State:
        """The states after the last right draft. A state that grows keeps its rows: those of wrong drafts are overwritten by the next tokens."""
        assert state.next is not None, "a turn says what becomes of each of its states"
        if self.draft not in state.next.type.lead:
            return state
        by_draft, rank = self.builder.unlead(state.next, 1), state.next.type.rank + 1
        at_right = self.emit(Take, by_draft, right.pick(-1, 0).value, axis=-rank, rank=rank, name=state.value.name)
        return replace(state, next=at_right)

    # ------------------------------------------------------------ places and drafts

    def places(self) -> Value:
        """The positions of the new tokens, at most the last one that a turn of one token would read.

        An example that has ended still reads along with the others of its batch.
        """
        if "places" not in self.shared:
            place = self._term(self.emit(Iota, count=self.new)) + self._term(self.before) - self._term(self.empty)
            self.shared["places"] = place.emit(el.Minimum, self.final).value
        return self.shared["places"]

    def _progress(self) -> Value:
        """The prompt is read in one turn, the first."""
        return self.before

    def _has_token(self) -> Value:
        """Which of the new places hold a token, right or wrong."""
        return self.emit(logic.GreaterEqual, self.places(), self.builder.constant(0))

    def columns(self) -> Value:
        if "columns" not in self.shared:
            self.shared["columns"] = self._joined(self.there, self._has_token())
        return self.shared["columns"]

    def columns_so_far(self) -> Value:
        """Up to each draft."""
        if "columns_so_far" not in self.shared:
            last = self._drafts() + self._size(self.total - self.chosen)
            place = self._term(self.emit(Iota, count=self.total))
            so_far = place.emit(logic.LessEqual, last).emit(logic.LogicalAnd, self._term(self.columns()))
            self.shared["columns_so_far"] = so_far.value
        return self.shared["columns_so_far"]

    def rows_so_far(self, value: Value, nothing: float) -> Value:
        """Up to each draft; the axis that grows is the last."""
        last = self._drafts() + self._size(self.new - self.chosen)
        until_draft = self._term(self.emit(Iota, count=self.new)).emit(logic.LessEqual, last)
        return until_draft.where(self._term(self.rows(value, nothing)), nothing).value

    def count(self) -> Value:
        """How many tokens there are up to each draft."""
        empty = self._term(self.empty).pick(-1, 0)
        return (self._drafts() + self._size(self.total - self.chosen + 1) - empty).value

    def last_of(self, value: Value, axis: int = -1) -> Value:
        """The rows of the last token and of the drafts, each a row by itself."""
        inner = -axis - value.type.rank
        axes = value.type.lead[-inner:] if inner > 0 else ()
        out = self.builder.unlead(value, inner) if axes else value
        cut = self.emit(Slice, out, axis=axis, start=-self.chosen, stop=None, step=None, name=value.name)
        alone = self.emit(Unsqueeze, self._led(cut, axis), axes=(axis,), name=value.name)
        return self.builder.lead(alone, (replace(axes[0], size=1), *axes[1:])) if axes else alone

    def newest(self, value: Value, axis: int) -> Value:
        if self.grown_of(value).row is None:
            return super().newest(value, axis)
        self.rows(value)
        return self.emit(Pick, self.last(self.grown_of(value), value).value, axis=axis, index=-1)

    def ending(self, value: Value, axis: int, count: int) -> Value:
        """At each draft."""
        rank, size = value.type.rank, value.type.shape[axis]
        first = self._drafts() + self._size(size - self.chosen - count + 1)
        place = first + first.range(count)
        return self.emit(Take, value, place.value, axis=axis, rank=rank, index_rank=1)

    def after_last(self, last: Value, rows: Value, axis: int) -> Value:
        """After each draft."""
        return self.emit(Pick, self.last_of(rows, axis), axis=axis, index=-1, name=last.name)

    def _led(self, value: Value, axis: int) -> Value:
        """Make an axis of the shape the lead axis `draft`, outside of the axes that a call is mapped over."""
        b, mapped = self.builder, tuple(a for a in value.type.lead if a.depth > DRAFT_DEPTH)
        value = b.unlead(value, len(mapped)) if mapped else value
        rank = value.type.rank
        perm = (axis, *(a for a in range(-rank, 0) if a != axis))
        moved = value if axis == -rank else self.emit(Transpose, value, perm=perm)
        return b.lead(b.lead(moved, (self.draft,)), mapped) if mapped else b.lead(moved, (self.draft,))

    def _drafts(self) -> Term:
        """The number of each draft; 0 is the last token."""
        if "drafts" not in self.shared:
            order = self.emit(Iota, count=self.chosen, name="draft")
            self.shared["drafts"] = self.builder.lead(order, (self.draft,))
        return self._term(self.shared["drafts"])

    # ---------------------------------------------------------------- what is refused

    def _plain(self, node: Node, inputs: Sequence[Grown]) -> list[Grown]:
        """A loop of the last token is unrolled, so that each draft has its own."""
        if not node.regions or not any(self.grown_of(v).now for v in reading(node)):
            return super()._plain(node, inputs)
        if Loop.of(node).stops or not isinstance(Loop.of(node).count, int):
            raise self.alone("is a loop of as many turns as the call says")
        return self._unrolled(node)

    def _general(self, node: Node, inputs: Sequence[Grown]) -> Grown:
        result = super()._general(node, inputs)
        if result.now and result.row is not None and result.rows != 1:
            raise self.alone("takes what is of the last token into all of them")
        return result

    def alone(self, why: str) -> MaiError:
        """The error for an operation that cannot compute several tokens in one turn."""
        message = f"`{self.node.op.name}` {why}, so a turn cannot read more than one token"
        help = "compile without `--speculate`"
        return MaiError([Diagnostic("no-drafts", self.node.span, message, label=f"`{self.node.op.name}`", help=help)])

    # ---------------------------------------------------------------------- terms

    def _term(self, value: Value) -> Term:
        return Term(self.builder, value)

    def _size(self, size: Size) -> Term:
        return Term(self.builder, self.builder.size(size))


def _from(value: Value) -> Callable[[Builder], Value]:
    """The initial value of a state that is a value from before the loop."""
    return lambda _: value
