"""How much of a text its masks mark: what is cut off is marked nowhere, and a mean over nothing is 0/0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.sources.examples import ANSWERS, Examples
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array
from mai.spec.record import record

if TYPE_CHECKING:
    from mai.compiler.data.texts.examples import Tokens


@record
class Marked:
    """How many tokens of each row a mask marks, [n]: in the whole text, and within the `length` of its field; `begins` is where the first one stands."""

    text: str
    length: int
    whole: Array
    within: Array
    begins: Array


def marked_by(
    source: Examples, texts: Mapping[str, Tokens], fields: Mapping[str, Type], lengths: Mapping[str, int]
) -> dict[str, Marked]:
    """By mask of a part of a text, what it marks of all rows; the mask of a whole text marks whatever there is."""
    parts = {name: each for name, each in source.masks(fields).items() if each[1] is not None}
    return {name: _marked(text, texts[text], place, lengths[text]) for name, (text, place) in parts.items()}


def _marked(name: str, text: Tokens, place: int | None, length: int) -> Marked:
    if place == ANSWERS and text.answered is not None:
        before = np.concatenate([[0], np.cumsum(text.answered, dtype=np.int64)])
        first, last = text.ends[:, 0], text.ends[:, -1]
        whole, within = before[last] - before[first], before[np.minimum(first + length, last)] - before[first]
        return Marked(name, length, whole, within, np.searchsorted(before, before[first] + 1) - 1 - first)
    assert place is not None
    first, last = (text.ends[:, k] - text.ends[:, 0] for k in (place, place + 1))
    return Marked(name, length, last - first, np.minimum(last, length) - np.minimum(first, length), first)


def with_something_marked(
    masks: Mapping[str, Marked], fits: Array, row_of: Callable[[int], int]
) -> tuple[Array, list[str]]:
    """The rows without those of which all that a mask marks is cut off, and notes on masks that mark nothing of a row.

    Raises:
        MaiError: nothing is left of any row.
    """
    notes = []
    for mask, marked in masks.items():
        is_cut, is_empty = fits & (marked.whole > 0) & (marked.within == 0), fits & (marked.whole == 0)
        length, least = marked.length, int(marked.begins[is_cut].max(initial=0)) + 1
        where, wider = f"the first in row {row_of(int(np.argmax(is_cut))):,}", f"`{marked.text}: tokens[{least}]`"
        if is_cut.any() and (is_cut == fits).all():
            message = f"`{mask}` marks nothing of any row: it begins behind the {length:,} tokens of `{marked.text}`"
            raise bad(f"{message}, {where}", help=f"{wider} reaches its first token in all rows")
        if is_cut.any():
            what = f"{is_cut.sum():,} of {len(fits):,} rows have nothing that `{mask}` marks in their {length:,} tokens"
            notes.append(f"{what}, {where}, and are left out: {wider} would reach it")
        if is_empty.any():
            where = f"the first in row {row_of(int(np.argmax(is_empty))):,}"
            what = f"`{mask}` marks nothing in {is_empty.sum():,} of {len(fits):,} rows, {where}"
            notes.append(f"{what}: a mean over it is 0/0 there, unless it is divided by `maximum(sum({mask}), 1)`")
        fits = fits & ~is_cut
    return fits, notes
