"""Prompt look-up: how a text went on where its last tokens stood before (Saxena 2023), as operations on rows of tokens."""

from __future__ import annotations

from mai.compiler.ir.sizes import Size
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.terms import Term

PADS = 2  # Places before a text that hold no token, so that the last three of the shortest one can be read.


def went_on(before: Term, row: Term, filled: Term, count: Size) -> Term:
    """The `count` tokens that followed where the last three tokens of a row stood last, or else the last two.

    row: [L] tokens, the first `filled`, [1], of which are there; before: [L], the row without its last tokens, which is
    looked through, so that the end is not found itself. What follows a place near the end is what stands from there to the
    end, again and again. Where the tokens stood nowhere it is the row's beginning, which is as good as any.
    """
    length = row.shape[0]
    newest = at(row, filled - row.other((1, 2, 3)))
    same = [
        before.slice(-1, PADS - back, length - back).emit(logic.Equal, newest.slice(-1, back, back + 1))
        for back in range(PADS + 1)
    ]
    follows = row.range(length - PADS) + PADS + 1
    whole = row.whole(length)
    found = same[2].where(follows + whole, follows)
    found = same[0].emit(logic.LogicalAnd, same[1]).where(found, 0).emit(red.Max, axes=(-1,), keep=True)
    first = found.emit(el.Modulo, whole)
    return at(row, first + row.range(count).emit(el.Modulo, filled - first))


def at(row: Term, place: Term) -> Term:
    """The elements of a row at places, of every example its own."""
    return row.emit(Take, place, axis=-1, rank=1, index_rank=1)
