"""Prompt look-up: how a text went on where its last tokens stood before (Saxena 2023), as operations on rows of tokens."""

from __future__ import annotations

from mai.compiler.ir.sizes import Size
from mai.compiler.ir.terms import Term
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import logic
from mai.compiler.ops import reduce as red
from mai.compiler.ops.indexing import Iota, Take
from mai.compiler.ops.structure import NOTHING

PADS = 2  # Places before a text, so that the last three tokens of the shortest one can be read.


def went_on(text: Term, filled: Term, count: Size) -> Term:
    """The `count` tokens that followed where the last three tokens of a row stood last, or else the last two.

    text: [L] tokens, of which the first `filled`, one number for each row, are there; PADS of them are none. Where the
    last tokens stood nowhere before, `NOTHING`. What follows a place near the end is the text's end again and again, as
    if it had a period.
    """
    length: Size = text.shape[0]
    place = number(text, length - PADS) + PADS
    newest = [at(text, filled - back) for back in (1, 2, 3)]
    one, two, three = (
        text.slice(-1, PADS - back, length - back).emit(logic.Equal, newest[back]) for back in range(PADS + 1)
    )
    before = place.emit(logic.Less, filled - 1)
    pair = one.emit(logic.LogicalAnd, two).emit(logic.LogicalAnd, before)
    longer = where(three, Term(text.builder, text.builder.size(length)), 0)
    score = where(pair, place + longer, 0)
    found = score.emit(red.Max, axes=(-1,)).emit(logic.Greater, 0)
    last = score.emit(red.Argmax) + PADS
    period = (filled - 1 - last).emit(el.Maximum, 1)
    follows = last + 1 + number(text, count).emit(el.Modulo, period)
    return where(found, at(text, follows), NOTHING)


def where(condition: Term, yes: Term | int, no: Term | int) -> Term:
    return condition.emit(logic.Where, yes, no)


def number(like: Term, count: Size) -> Term:
    """The whole numbers below `count`."""
    return Term(like.builder, like.builder.emit(Iota, count=count))


def at(row: Term, place: Term) -> Term:
    """The elements of a row at places, one or several, of every example its own."""
    return row.emit(Take, place, axis=-1, rank=1, index_rank=place.rank)
