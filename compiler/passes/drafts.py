"""What becomes of a row of text when a turn has chosen the tokens that follow its drafts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.terms import Term
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import logic
from mai.compiler.ops import reduce as red
from mai.compiler.ops.shape import Concat
from mai.compiler.ops.structure import NOTHING
from mai.compiler.passes.growth import smallest
from mai.compiler.passes.lookup import PADS, at, number, went_on, where


@dataclass(frozen=True, slots=True)
class Text:
    """A row as it grows, of every example its own.

    row: [PADS + P + count], the tokens so far with room for all that are wanted; filled: how many places are taken; ended:
    whether nothing is to come; guess: [most + 1], the tokens that may be next; trust: how many of them to read at once.
    """

    row: Term
    filled: Term
    ended: Term
    guess: Term
    trust: Term

    def __iter__(self) -> Iterator[Term]:
        return (getattr(self, f.name) for f in fields(self))

    def held(self) -> Text:
        """The same as a turn reads it: values of its own."""
        return Text(*(Term(t.builder, Value(t.value.type, f.name)) for t, f in zip(self, fields(self), strict=True)))

    @property
    def newest(self) -> Term:
        return at(self.row, self.filled - 1)

    @property
    def room(self) -> Size:
        return self.row.shape[0]

    @property
    def most(self) -> int:
        size = self.guess.shape[0]
        assert isinstance(size, int)
        return size - 1

    @property
    def is_guessed(self) -> Term:
        return self.guess.pick(-1, 0).emit(logic.GreaterEqual, 0)


def begun(b: Builder, prompt: Value, count: Size, most: int) -> Text:
    """A prompt with room for `count` tokens, and no guess yet."""

    def nothing(size: Size) -> Term:
        return Term(b, b.constant(NOTHING)).expand((size,))

    row = nothing(PADS).emit(Concat, Term(b, prompt), nothing(count), axis=-1)
    filled, ended, guess, trust = (
        Term(b, b.spread(value, prompt.type.lead))
        for value in (
            b.size(prompt.type.shape[0] + PADS), b.constant(False), nothing(most + 1).value, b.constant(0),
        )
    )  # fmt: skip
    return Text(row, filled, ended, guess, trust)


def grown(text: Text, chosen: Term, stop: Term | None) -> tuple[Text, Term]:
    """The text after a turn, and how many of its drafts were right.

    chosen: [w], the token after the last one and after each of w - 1 drafts, which are the first of `guess`. The guess
    after them is compared, too: it costs nothing.
    """
    width = chosen.shape[0]
    order = number(chosen, width)
    read = Term(chosen.builder, chosen.builder.size(width))
    hits = _first(order, chosen.emit(logic.NotEqual, text.guess.slice(-1, None, width)), read)
    right = hits.emit(el.Minimum, read - 1)
    added, ended = right + 1, text.ended
    if stop is not None:
        met = _first(order, chosen.emit(logic.Equal, stop), read)
        ended = ended.emit(logic.LogicalOr, met.emit(logic.LessEqual, right))
        added = added.emit(el.Minimum, met + 1)
    added = where(text.ended, 0, added)
    row = _appended(text, chosen, added)
    room = Term(row.builder, row.builder.size(text.room))
    filled = (text.filled + added).emit(el.Minimum, room)
    ended = ended.emit(logic.LogicalOr, filled.emit(logic.Equal, room))
    guess = went_on(row, filled, text.guess.shape[0])
    return Text(row, filled, ended, guess, _trust(text, hits, read)), right


def _first(order: Term, truth: Term, none: Term) -> Term:
    """The first place at which something is true, `none` where it is nowhere."""
    return where(truth, order, none).emit(red.Min, axes=(-1,))


def _appended(text: Text, chosen: Term, added: Term) -> Term:
    """The first `added` of the tokens chosen, in their places; what is beyond the row's room is left out."""
    place = number(text.row, text.room) - text.filled
    new = place.emit(logic.GreaterEqual, 0).emit(logic.LogicalAnd, place.emit(logic.Less, added))
    return where(new, at(chosen, where(new, place, 0)), text.row)


def _trust(text: Text, hits: Term, read: Term) -> Term:
    """After a turn whose guesses were all right about twice as many are read, else as many as were right."""
    more = (text.trust + text.trust + 1).emit(el.Minimum, text.most)
    return where(text.is_guessed, where(hits.emit(logic.Equal, read), more, hits), text.trust)


def wanted(text: Text) -> Term:
    """How many drafts the next turn reads, one number for all: what every example that goes on can use."""
    b = text.row.builder
    left = Term(b, b.size(text.room)) - text.filled - 1
    own = where(text.is_guessed, text.trust.emit(el.Minimum, left), 0)
    return Term(b, smallest(b, where(text.ended, text.most, own).value)).emit(el.Maximum, 0)
