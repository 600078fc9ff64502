"""Rows of text that grow by several tokens a turn: the tokens that a turn chose, and the drafts of the next turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import NOTHING
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.shape import Concat
from mai.compiler.ops.terms import Term
from mai.compiler.passes.text.growth import is_one_of, smallest
from mai.compiler.passes.text.speculation.prompt_lookup import PADS, at, look_up
from mai.spec.record import record


@record
class Text:
    """The text of every example as it grows.

    Attributes:
        row: the tokens so far, with room for all that are wanted, [PADS + P + count].
        filled: how many places of the row are taken, [1]; all of them where the text has ended.
        guess: the tokens that may come next, [most + 1].
    """

    row: Term
    filled: Term
    guess: Term

    def __iter__(self) -> Iterator[Term]:
        return (getattr(self, f.name) for f in fields(self))

    def as_inputs(self) -> Text:
        """The same with new values in the place of its own, for the inputs of a loop's body."""
        return Text(*(Term(t.builder, Value(t.value.type, f.name)) for t, f in zip(self, fields(self), strict=True)))

    @property
    def room(self) -> Size:
        """The number of places of the row."""
        return self.row.shape[0]

    @property
    def most(self) -> Size:
        """The largest number of drafts that a turn reads."""
        return self.guess.shape[0] - 1


def start_text(b: Builder, prompt: Value, count: Size, most: int) -> Text:
    """The text at first: the prompt [P], room for `count` tokens, and no guess."""

    def nothing(size: Size) -> Term:
        return Term(b, b.constant(NOTHING)).expand((size,))

    row = nothing(PADS).emit(Concat, Term(b, prompt), nothing(count), axis=-1)
    filled = row.whole(prompt.type.shape[0] + PADS).expand((1,))
    return Text(row, *(Term(b, b.spread(t.value, prompt.type.lead)) for t in (filled, nothing(most + 1))))


def accept_drafts(text: Text, chosen: Term, stops: Sequence[Value]) -> tuple[Text, Term, Term, Term]:
    """Add the tokens of a turn to a text, up to the first that differs from its draft.

    The guess after the drafts is compared, too, since that costs nothing.

    Args:
        chosen: the token after the last one and after each of w - 1 drafts, which are the first of `guess`, [w].
        stops: the tokens that end a text, each [].

    Returns:
        The text after the turn; how many of its drafts were right, and how many tokens were added, [1] each; and how many drafts
        the next turn reads, [].
    """
    width = chosen.shape[0]
    read, order = chosen.whole(width), chosen.range(width)
    hits = _first(order, chosen.emit(logic.Equal, text.guess.slice(-1, None, width)), read, which=False)
    right = hits.emit(el.Minimum, chosen.whole(width - 1))
    added, ended = right + 1, None
    if stops:
        is_end = Term(chosen.builder, is_one_of(chosen.builder, chosen.value, stops))
        met = _first(order, is_end, read, which=True)
        added, ended = added.emit(el.Minimum, met + 1), met.emit(logic.LessEqual, right)
    room = chosen.whole(text.room)
    filled = (text.filled + added).emit(el.Minimum, room)
    filled = filled if ended is None else ended.where(room, filled)
    row = _append(text, chosen, added)
    after = Text(row, filled, look_up(text.row, row, filled, text.guess.shape[0]))
    return after, right, added, _next_drafts(after, hits + right)


def _first(order: Term, truth: Term, none: Term, *, which: bool) -> Term:
    """The first place where `truth` is `which`; `none` where there is no such place."""
    return truth.where(*((order, none) if which else (none, order))).emit(red.Min, axes=(-1,), keep=True)


def _append(text: Text, chosen: Term, added: Term) -> Term:
    """The row with the first `added` of the chosen tokens after those before, as far as there is room."""
    place, new = places_of_new(text, added)
    return new.where(at(chosen, place), text.row)


def places_of_new(text: Text, added: Term) -> tuple[Term, Term]:
    """For each place of the row of a text before a turn, which of the chosen tokens comes there; and whether one of the `added` does."""
    place = added.range(text.room) - text.filled
    new = place.emit(logic.GreaterEqual, 0).emit(logic.LogicalAnd, place.emit(logic.Less, added))
    return new.where(place, 0), new


def _next_drafts(text: Text, trust: Term) -> Term:
    """How many drafts the next turn reads: the largest number that every unfinished example can use.

    An example can use `trust` of them, about twice as many as were right, so a turn after right guesses reads more drafts, and
    one after a wrong guess fewer; and not more than it has room for.
    """
    b = text.row.builder
    left = text.row.whole(text.room - 1) - text.filled
    own = trust.emit(el.Minimum, text.row.whole(text.most)).emit(el.Minimum, left)
    own = left.emit(logic.Less, 0).where(text.row.whole(text.most), own)
    return Term(b, smallest(b, own.pick(-1, 0).value))
