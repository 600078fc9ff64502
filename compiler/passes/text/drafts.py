"""What becomes of a row of text when a turn has chosen the tokens that follow its drafts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import NOTHING
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.ops.terms import Term
from mai.compiler.passes.text.growth import smallest
from mai.compiler.passes.text.prompt_lookup import PADS, at, went_on


@dataclass(frozen=True, slots=True)
class Text:
    """A row as it grows, of every example its own.

    row: [PADS + P + count], the tokens so far with room for all that are wanted; filled: [1], how many places are taken, all
    of them where nothing is to come; guess: [most + 1], the tokens that may be next.
    """

    row: Term
    filled: Term
    guess: Term

    def __iter__(self) -> Iterator[Term]:
        return (getattr(self, f.name) for f in fields(self))

    def held(self) -> Text:
        """The same as a turn reads it: values of its own."""
        return Text(*(Term(t.builder, Value(t.value.type, f.name)) for t, f in zip(self, fields(self), strict=True)))

    @property
    def room(self) -> Size:
        """How many tokens the row has room for."""
        return self.row.shape[0]

    @property
    def most(self) -> Size:
        """How many drafts a turn reads at most."""
        return self.guess.shape[0] - 1


def begun(b: Builder, prompt: Value, count: Size, most: int) -> Text:
    """A prompt with room for `count` tokens, and no guess yet."""

    def nothing(size: Size) -> Term:
        return Term(b, b.constant(NOTHING)).expand((size,))

    row = nothing(PADS).emit(Concat, Term(b, prompt), nothing(count), axis=-1)
    filled = row.whole(prompt.type.shape[0] + PADS).expand((1,))
    return Text(row, *(Term(b, b.spread(t.value, prompt.type.lead)) for t in (filled, nothing(most + 1))))


def grown(text: Text, chosen: Term, stop: Term | None) -> tuple[Text, Term, Term]:
    """The text after a turn, how many of its drafts were right, [1], and how many to read in the next turn.

    chosen: [w], the token after the last one and after each of w - 1 drafts, which are the first of `guess`. The guess
    after them is compared, too: it costs nothing.
    """
    width = chosen.shape[0]
    read, order = chosen.whole(width), chosen.range(width)
    hits = _first(order, chosen.emit(logic.Equal, text.guess.slice(-1, None, width)), read, which=False)
    right = hits.emit(el.Minimum, chosen.whole(width - 1))
    added, ended = right + 1, None
    if stop is not None:
        met = _first(order, chosen.emit(logic.Equal, stop), read, which=True)
        added, ended = added.emit(el.Minimum, met + 1), met.emit(logic.LessEqual, right)
    room = chosen.whole(text.room)
    filled = (text.filled + added).emit(el.Minimum, room)
    filled = filled if ended is None else ended.where(room, filled)
    row = _appended(text, chosen, added)
    after = Text(row, filled, went_on(text.row, row, filled, text.guess.shape[0]))
    return after, right, _wanted(after, hits + right)


def _first(order: Term, truth: Term, none: Term, *, which: bool) -> Term:
    """The first place at which something is true, or is not; `none` where there is no such place."""
    return truth.where(*((order, none) if which else (none, order))).emit(red.Min, axes=(-1,), keep=True)


def _appended(text: Text, chosen: Term, added: Term) -> Term:
    """The first `added` of the tokens chosen, in their places, as far as there is room."""
    place = chosen.range(text.room) - text.filled
    new = place.emit(logic.GreaterEqual, 0).emit(logic.LogicalAnd, place.emit(logic.Less, added))
    return new.where(at(chosen, new.where(place, 0)), text.row)


def _wanted(text: Text, trust: Term) -> Term:
    """How many drafts the next turn reads, one number for all: what every example that goes on can use.

    About twice as many as were right: `trust`. So a turn after right guesses reads more, one after a wrong guess fewer.
    """
    b = text.row.builder
    left = text.row.whole(text.room - 1) - text.filled
    own = trust.emit(el.Minimum, text.row.whole(text.most)).emit(el.Minimum, left)
    own = left.emit(logic.Less, 0).where(text.row.whole(text.most), own)
    return Term(b, smallest(b, own.pick(-1, 0).value))
