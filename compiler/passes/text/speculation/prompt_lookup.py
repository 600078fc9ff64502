"""Prompt look-up (Saxena 2023): a text is guessed to continue as it did after an earlier occurrence of its last tokens."""

from __future__ import annotations

from mai.compiler.ir.sizes import Size
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.ops.terms import Term

PADS = 2  # Places without a token before a text, so that a text of one token has three last ones.


def look_up(before: Term, row: Term, filled: Term, count: Size) -> Term:
    """The `count` tokens after the latest earlier occurrence of the last three tokens of a row, or else of the last two.

    If fewer than `count` tokens follow it, they are repeated. If there is no occurrence, the start of the row is the guess.

    Args:
        before: the row [L] before its last tokens were added: the end of the row is no earlier occurrence of itself.
        row: tokens [L], of which the first `filled`, [1], are there.
    """
    length = row.shape[0]
    newest = at(row, filled - row.other((1, 2, 3)))
    same = [
        before.slice(-1, PADS - back, length - back).emit(logic.Equal, newest.slice(-1, back, back + 1))
        for back in range(PADS + 1)
    ]
    follows = row.range(length - PADS) + PADS + 1
    whole = row.whole(length)
    rank = same[2].where(follows + whole, follows)  # Three equal tokens rank above two, then later places.
    best = same[0].emit(logic.LogicalAnd, same[1]).where(rank, 0).emit(red.Max, axes=(-1,), keep=True)
    first = best.emit(el.Modulo, whole)
    return at(row, first + row.range(count).emit(el.Modulo, filled - first))


def at(row: Term, place: Term) -> Term:
    """The elements of a row [L] at places [n], for each example at its own."""
    return row.emit(Take, place, axis=-1, rank=1, index_rank=1)
