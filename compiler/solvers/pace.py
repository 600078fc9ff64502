"""When the steps of an integral begin, and how long they are: of one length, or between times that the text says."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Pick, Take
from mai.compiler.ops.terms import Term

T = TypeVar("T")


class Pace:
    """The steps of an integral from `start` to `stop`, `steps` of them, each by its number, its turn."""

    def __init__(self, builder: Builder, start: Value, stop: Value, steps: Value) -> None:
        self.builder, self.start, self.stop, self.steps = builder, start, stop, steps
        self.count = Term(builder, steps).emit(el.ToReal)

    def of_length(self, make: Callable[[Value], T]) -> Callable[[Value], T]:
        """What `make` gives for a step's length, by the step's turn."""
        raise NotImplementedError

    def before(self, turn: Value, by: int) -> Value | None:
        """The length of the step so many before a turn's, of the first one where there is none; None where all are alike."""
        raise NotImplementedError

    def time(self, turn: Value, c: Fraction) -> Value:
        """The time at a part c of a turn's step."""
        raise NotImplementedError

    def at(self, turn: Term, parts: Term) -> Term:
        """The times at parts of a turn's step."""
        raise NotImplementedError

    def share(self, turn: Term, part: Term) -> Term:
        """How much of the way is gone at a part of a turn's step."""
        raise NotImplementedError

    def place(self, share: Term) -> tuple[Term, Term, Term]:
        """For shares of the way the turn, the part of its step, and the length of this."""
        raise NotImplementedError

    def _last_turn(self, turns: Term) -> Term:
        return turns.emit(el.Minimum, self.count - 1.0).emit(el.StopGradient)


class Even(Pace):
    """Steps of one length, computed before the loop."""

    def __init__(self, builder: Builder, start: Value, stop: Value, steps: Value) -> None:
        super().__init__(builder, start, stop, steps)
        whole = builder.emit(el.Subtract, stop, start)
        self.h = builder.emit(el.Divide, whole, self.count.value, name="h")

    def of_length(self, make: Callable[[Value], T]) -> Callable[[Value], T]:
        once = make(self.h)
        return lambda turn: once

    def before(self, turn: Value, by: int) -> Value | None:
        return None

    def time(self, turn: Value, c: Fraction) -> Value:
        """start + h (turn + c)."""
        count = self.builder.emit(el.ToReal, turn, name="turn")
        if c:
            count = self.builder.emit(el.Add, count, self.builder.constant(float(c)))
        return self.builder.emit(el.Add, self.start, self.builder.emit(el.Multiply, self.h, count), name="time")

    def at(self, turn: Term, parts: Term) -> Term:
        return (parts + turn.emit(el.ToReal)) * Term(self.builder, self.h) + Term(self.builder, self.start)

    def share(self, turn: Term, part: Term) -> Term:
        return (turn.emit(el.ToReal) + part) / self.count

    def place(self, share: Term) -> tuple[Term, Term, Term]:
        way = share * self.count
        turn = self._last_turn(way.emit(el.Floor))
        return turn.emit(el.ToInt), way - turn, Term(self.builder, self.h)


class Uneven(Pace):
    """Steps between `times` [steps + 1], the first of which is the start and the last the stop; a step may be empty."""

    def __init__(self, builder: Builder, steps: Value, times: Value) -> None:
        first, last = (builder.emit(Pick, times, axis=-1, index=i) for i in (0, -1))
        super().__init__(builder, first, last, steps)
        self.times, whole = Term(builder, times), Term(builder, last) - Term(builder, first)
        self.lengths = self.times.slice(-1, 1, None) - self.times.slice(-1, 0, -1)
        is_empty = whole.emit(logic.Equal, 0.0)
        length = is_empty.where(1.0, whole)
        self.shares = (self.times - Term(builder, first).unsqueeze(-1)) / length.unsqueeze(-1)
        self._read: dict[Value, tuple[Term, Term]] = {}

    def of_length(self, make: Callable[[Value], T]) -> Callable[[Value], T]:
        return lambda turn: make(self._step(turn)[1].value)

    def before(self, turn: Value, by: int) -> Value | None:
        past = Term(self.builder, turn).emit(el.Subtract, by).emit(el.Maximum, 0)
        return self._row(self.lengths, past).value

    def time(self, turn: Value, c: Fraction) -> Value:
        begin, length = self._step(turn)
        time = begin + length * float(c) if c else begin
        time.value.name = "time"
        return time.value

    def at(self, turn: Term, parts: Term) -> Term:
        begin, length = self._step(turn.value)
        return begin + parts * length

    def share(self, turn: Term, part: Term) -> Term:
        before, after = self._row(self.shares, turn), self._row(self.shares, turn.emit(el.Add, 1))
        return before + part * (after - before)

    def place(self, share: Term) -> tuple[Term, Term, Term]:
        """The last step that begins at a share or before it."""
        inner = self.shares.slice(-1, 1, None)
        gone = share.unsqueeze(-1).emit(logic.GreaterEqual, inner.unsqueeze(*range(-1 - share.rank, -1)))
        turn = self._last_turn(gone.emit(el.ToReal).sum()).emit(el.ToInt)
        before, after = self._row(self.shares, turn), self._row(self.shares, turn.emit(el.Add, 1))
        width = after - before
        part = (share - before) / width.emit(logic.Equal, 0.0).where(1.0, width)
        return turn, part, self._row(self.lengths, turn)

    def _step(self, turn: Value) -> tuple[Term, Term]:
        """Where a turn's step begins, and its length, read once."""
        if turn not in self._read:
            place = Term(self.builder, turn)
            self._read[turn] = (self._row(self.times, place), self._row(self.lengths, place))
        return self._read[turn]

    def _row(self, table: Term, turn: Term) -> Term:
        return table.emit(Take, turn, axis=-1, rank=1, index_rank=turn.rank)
