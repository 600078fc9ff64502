"""One turn of a growing text: what each value of the body became, and what an operation can ask for in its `grown(g, ...)`.

The argument `g` of an operation's `grown` is a `Turn`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import Copier, symbols_of
from mai.compiler.ir.sizes import Size, evaluate, symbol
from mai.compiler.ir.structure import Extend, Nested
from mai.compiler.ir.types import Axis, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Iota, Pick, Slice, Take
from mai.compiler.ops.shapes.shape import Concat, Unsqueeze
from mai.compiler.ops.terms import Term
from mai.compiler.passes.fill import KINDS, full
from mai.compiler.passes.text.growing_axes import GrowingAxes
from mai.compiler.passes.text.growth import State
from mai.spec.record import record

FAR = 2.0**62  # Beyond any whole number of a text.


@record
class Grown:
    """What a value of the body became in a turn.

    Attributes:
        row: its axis of new tokens, counted in memory from the end.
        past: its axes of all tokens so far, counted likewise.
        rows: how many new tokens it has: all, or 1 where only the last is needed.
        now: whether it is valid in this turn only.
        fill: the number that it has wherever the past axis is later than the row; None where that is unknown.
    """

    value: Value
    row: int | None = None
    past: tuple[int, ...] = ()
    rows: Size = 0
    now: bool = False
    fill: float | None = None

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which the value grows, counted from the end."""
        return self.past if self.row is None else (self.row, *self.past)


@dataclass(eq=False)
class Turn(GrowingAxes):
    """One turn of an `extend`: its new tokens, the states that keep the tokens before, and what the body's values became."""

    copier: Copier
    extend: Node
    turn: Value | None = None
    longest: int | None = None
    states: list[State] = field(default_factory=list)
    grown: dict[Value, Grown] = field(default_factory=dict)
    histories: dict[Value, Grown] = field(default_factory=dict)
    lasts: dict[Value, Grown] = field(default_factory=dict)
    shared: dict[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder: Builder = self.copier.builder
        GrowingAxes.__init__(self, Extend.of(self.extend).length, self.extend)
        self.new, self.past = symbol(f"{self.length}_new"), symbol(f"{self.length}_past")
        self.total: Size = self.past + self.new

    def begin(self, row: Value) -> Value:
        """Make the states that every text has: the new tokens, the number of tokens before, and of places without a token.

        The new tokens are returned, with 0 for places without a token.
        """
        lead, integer, b = row.type.lead, Type(DType.INT), self.builder
        self.lead, self.ids = lead, Value(row.type.with_shape((self.new,)), "ids")
        self.before, self.begins = Value(integer, "past"), Value(integer.with_lead(lead), "begins")
        self.copier.sizes[str(self.new)], self.copier.sizes[str(self.past)] = (self.ids, len(lead)), self.before
        self.empty = self._empty_places()
        return b.emit(el.Maximum, self.ids, b.constant(0), name=row.name)

    def _empty_places(self) -> Value:
        """How many places each row begins with that hold no token: counted up to its first token, and kept."""
        b = self.builder
        nothing = b.emit(el.ToInt, b.emit(logic.Less, self.ids, b.constant(0)))
        counted = b.emit(el.Add, self.begins, b.emit(red.Sum, nothing, axes=(-1,)))
        is_first = b.emit(logic.Equal, self.begins, self.before)
        return b.emit(logic.Where, is_first, counted, self.begins, name="begins")

    def end(self, row: Value, chosen: Value) -> list[State]:
        """All states, once the token is chosen."""
        b = self.builder
        after = b.emit(el.Add, self.before, b.size(self.new), name="past")
        return [
            State(self.ids, lambda _: row, b.emit(Unsqueeze, chosen, name="ids")),
            State(self.before, lambda outer: outer.constant(0), after),
            State(self.begins, lambda outer: full(outer, self.begins.type, 0, self.past), self.empty),
            *self.states,
        ]

    def grown_of(self, value: Value) -> Grown:
        """What a value of the body became; a value from outside of it is the same in all turns."""
        return self.grown.get(value) or Grown(self.copier[value])

    # --------------------------------------------------- what operations may use

    def rows(self, value: Value, nothing: float | None = None) -> Value:
        """The rows of the new tokens; with `nothing`, that number where a row holds no token."""
        g = self.grown_of(value)
        if g.row is None or g.past:
            raise self.refused("looks at every pair of tokens")
        if nothing is None:
            return g.value
        if g.now:
            raise self.refused("would keep what is true of this turn only")
        if g.row < -g.value.type.rank:
            raise self.refused("keeps a state for tokens that a call is mapped over")
        has_token = self.emit(logic.GreaterEqual, self.along(self.places(), g.row), self.builder.constant(0))
        return self.emit(logic.Where, has_token, g.value, self.number_like(g.value, nothing))

    def number_like(self, value: Value, number: float) -> Value:
        """A number in the dtype of a value; an infinite one is a very large whole number where that is one."""
        finite = number if math.isfinite(number) or value.type.dtype is DType.REAL else math.copysign(FAR, number)
        return self.builder.constant(KINDS[value.type.dtype](finite))

    def rows_so_far(self, value: Value, nothing: float) -> Value:
        """The rows of the new tokens as the token to be chosen sees them, `nothing` where a row holds no token."""
        return self.rows(value, nothing)

    def newest(self, value: Value, axis: int) -> Value:
        """The row of the last token."""
        g = self.grown_of(value)
        rows = self.ending(g.value, axis, 1) if g.past == (axis,) else self.rows(value)
        return self.emit(Pick, rows, axis=axis, index=-1)

    def ending(self, value: Value, axis: int, count: int) -> Value:
        """The last `count` along an axis, once the new tokens are in it: what a state of that size becomes."""
        return self.emit(Slice, value, axis=axis, start=-count, stop=None, step=None)

    def whole(self, value: Value) -> Value:
        """A value that does not grow."""
        return self.grown_of(value).value

    def limit(self, size: Size) -> None:
        """Note that the text cannot be longer than this."""
        if isinstance(size, int):
            self.longest = size if self.longest is None else min(self.longest, size)

    def resized(self, value: Value, axis: int, size: Size) -> Type:
        """The type of a value's rows with another size along an axis."""
        shape = list(self.grown_of(value).value.type.shape)
        shape[axis] = size
        return self.grown_of(value).value.type.with_shape(tuple(shape))

    def state(self, name: str, type: Type, first: float) -> State:
        """A state of a fixed size; the caller says what it becomes. A state is one an example."""
        if any(g.now for g in map(self.grown_of, self.node.inputs)):
            raise self.refused("would keep what is true of this turn only")
        return self._state(name, type, first)

    def carried(self, name: str, type: Type) -> State:
        """A state of a loop along the text, zeros at first."""
        return self._state(name, type, 0)

    def after_last(self, last: Value, rows: Value, axis: int) -> Value:
        """What a state of fixed size becomes: its value after the last new token, or one of those after each, along `axis`."""
        return last

    def _state(self, name: str, type: Type, first: float) -> State:
        value = Value(type.with_lead(self._batched(type)), name)
        self.states.append(State(value, lambda b: full(b, value.type, first, self.past)))
        return self.states[-1]

    def growing_state(self, name: str, shape: tuple[Size, ...]) -> State:
        """A state of reals that begins empty and grows with the text: its size along that axis is `past`."""
        return self.state(name, Type(DType.REAL, shape, self._lead_of_inputs()), 0.0)

    def recent_rows(self, name: str, value: Value, axis: int, count: int) -> Value:
        """The rows of the last `count` tokens before the new ones, which are a state, then those of the new ones."""
        before = self.state(name, self.resized(value, axis, count), 0)
        both = self.emit(Concat, before.value, self.rows(value, 0), axis=axis, name=name)
        before.next = self.ending(both, axis, count)
        return both

    def first_rows(self, name: str, value: Value, axis: int, count: int) -> Value:
        """The rows of a text's first `count` tokens, which are a state; zeros where the text has not come as far."""
        kept = self.state(name, self.resized(value, axis, count), 0)
        place = self.emit(el.Subtract, self.emit(Iota, count=count), self.emit(Slice, self.places(), stop=1))
        is_new = self.emit(logic.LogicalAnd, self._is_at_least(place, 0), self._is_below(place, self.new))
        rows, index = self.rows(value, 0), self.emit(logic.Where, is_new, place, self.builder.constant(0))
        new = self.emit(Take, rows, index, axis=axis, rank=rows.type.rank, index_rank=1)
        kept.next = self.emit(logic.Where, self.along(is_new, axis), new, kept.value, name=name)
        return kept.next

    def _is_at_least(self, value: Value, number: int) -> Value:
        return self.emit(logic.GreaterEqual, value, self.builder.constant(number))

    def _is_below(self, value: Value, size: Size) -> Value:
        return self.emit(logic.Less, value, self.builder.size(size))

    def constant(self, value: Nested) -> Value:
        """A number, or nested tuples of numbers."""
        return self.builder.constant(value)

    def along(self, vector: Value, axis: int) -> Value:
        """A vector as a tensor that broadcasts along `axis`."""
        behind = -axis - 1
        return self.emit(Unsqueeze, vector, axes=tuple(range(-behind, 0))) if behind else vector

    def places(self) -> Value:
        """Where the new tokens stand in their texts; below 0 where there is no token."""
        if "places" not in self.shared:
            place = self.emit(el.Add, self.emit(Iota, count=self.new, name="places"), self.before)
            first = self.emit(Unsqueeze, self.empty)
            self.shared["places"] = self.emit(el.Subtract, place, first, name="place")
        return self.shared["places"]

    def positions(self) -> Value:
        """The places as the body sees them: at least 0, so that a table of positions has a row for places without a token."""
        if "positions" not in self.shared:
            self.shared["positions"] = self.emit(el.Maximum, self.places(), self.builder.constant(0), name="position")
        return self.shared["positions"]

    def columns(self) -> Value:
        """Which of all places so far hold a token: [total], for each example."""
        if "columns" not in self.shared:
            place = self.emit(Iota, count=self.total, name="columns")
            self.shared["columns"] = self.emit(logic.GreaterEqual, place, self.emit(Unsqueeze, self.empty), name="seen")
        return self.shared["columns"]

    def columns_so_far(self) -> Value:
        """Which of all places so far the token to be chosen sees: [total]."""
        return self.columns()

    def seen(self) -> Value:
        """Which places each new token may look at, beside causality: [new, total]. A place without a token sees any."""
        if "seen" not in self.shared:
            nothing = self.emit(logic.Less, self.emit(Unsqueeze, self.places()), self.builder.constant(0))
            self.shared["seen"] = self.emit(logic.LogicalOr, self.emit(Unsqueeze, self.columns(), axes=(-2,)), nothing)
        return self.shared["seen"]

    def size(self, size: Size) -> Value:
        """A size as a real number."""
        return self.emit(el.ToReal, self.builder.size(size))

    def expanded(self, node: Node) -> Value:
        """The result of a kernel by the operations that it is made of, each in its own incremental form."""
        raise NotImplementedError

    def summed(self, node: Node, op: type[Operation]) -> Value:
        """The result of a sum `op` over all tokens so far; refused where the result is another one for each token."""
        raise NotImplementedError

    def emit(self, op: type[Operation], *inputs: Value, name: str = "", **attributes: object) -> Value:
        """Apply an operation in the body and return its first output."""
        return self.builder.emit(op, *inputs, name=name, **attributes)

    def emit_all(
        self, op: type[Operation], inputs: Sequence[Value], attributes: Mapping[str, object]
    ) -> Sequence[Value]:
        """Apply an operation in the body and return all its outputs."""
        return self.builder.emit_all(op, inputs, attributes)

    # ---------------------------------------------------------------- the parts

    def history(self, g: Grown, old: Value) -> Grown:
        """A value for all tokens so far: those before are kept."""
        if old in self.histories:
            return self.histories[old]
        if g.past or g.row is None:
            raise self.refused("looks at every pair of tokens")
        if g.now:
            raise self.refused("would keep what is true of this turn only")
        if g.row < -g.value.type.rank:
            raise self.refused("keeps what a call is mapped over")
        state = self._state(old.name, self.resized(old, g.row, self.past), 0)
        new = self.builder.spread(self.rows(old, 0), state.value.type.lead)
        state.next = self.emit(Concat, state.value, new, axis=g.row, name=old.name)
        self.histories[old] = Grown(state.next, None, (g.row,), 0)
        return self.histories[old]

    def last(self, g: Grown, old: Value) -> Grown:
        """A value for the last token alone; one without new tokens as it is."""
        if g.rows == 1 or g.row is None:
            return g
        if old not in self.lasts:
            self.lasts[old] = replace(g, value=self.last_of(g.value, g.row), rows=1)
        return self.lasts[old]

    def last_of(self, value: Value, axis: int = -1) -> Value:
        """The last of an axis, which stays; an axis that a call is mapped over comes out for it."""
        inner = -axis - value.type.rank
        if inner <= 0:
            return self.emit(Slice, value, axis=axis, start=-1, stop=None, step=None, name=value.name)
        axes = value.type.lead[-inner:]
        out = self.builder.unlead(value, inner)
        cut = self.emit(Slice, out, axis=axis, start=-1, stop=None, step=None, name=value.name)
        return self.builder.lead(cut, (replace(axes[0], size=1), *axes[1:]))

    def count(self) -> Value:
        """How many tokens there are so far."""
        return self.emit(el.Subtract, self.builder.size(self.total), self.empty, name="length")

    def number(self, size: Size) -> Value:
        """A size that is made of the text's, as a whole number of this turn: of the tokens so far."""
        count = Term(self.builder, self.count())
        number = evaluate(size, lambda name: count if name == self.length else count.whole(symbol(name)))
        assert isinstance(number, Term), "it speaks of the text's size"
        return number.value

    def appended(self) -> Value:
        """Whether each of the new tokens was appended: those of the prompt are read before the first turn that appends."""
        has_begun = self.emit(logic.Greater, self._progress(), self.builder.constant(0))
        has_token = self.emit(logic.GreaterEqual, self.places(), self.builder.constant(0))
        return self.emit(logic.LogicalAnd, self.emit(Unsqueeze, has_begun), has_token, name="appended")

    def _progress(self) -> Value:
        """A number that is 0 until a token is appended."""
        assert self.turn is not None, "the turn has begun"
        return self.turn

    def _batched(self, type: Type) -> tuple[Axis, ...]:
        return tuple(sorted({*self.lead, *type.lead}, key=lambda a: a.depth))

    def _lead_of_inputs(self) -> tuple[Axis, ...]:
        leads = {a for v in self.node.inputs for a in self.grown_of(v).value.type.lead}
        return tuple(sorted(leads, key=lambda a: a.depth))

    def _speaks(self, node: Node) -> bool:
        """Whether an operation without growing operands speaks of the text's length itself, or its regions do."""
        return self.length in symbols_of(node)
