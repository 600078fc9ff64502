"""Rows of which a file cannot be asked, as they have no text or no image that can be read: they stay, without an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from mai.compiler.predicting.results import Write
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of


class AnswersBeside:
    """Writes rows with their answers beside them, a part at a time; a row that was not asked has none.

    `rows` counts the rows, and `names` are the columns of the answers, once a row was asked: those before it wait until then.
    """

    def __init__(self, write: Write) -> None:
        self.rows, self.names = 0, list[str]()
        self._write, self._waiting = write, list[tuple[Mapping[str, pa.ChunkedArray], int]]()
        self._kinds: dict[str, pa.DataType] | None = None

    def add(
        self, rows: Mapping[str, pa.ChunkedArray], count: int, asked: Array | None, answers: Mapping[str, pa.Array]
    ) -> None:
        """A part.

        Args:
            rows: the columns that are kept, [count] each.
            asked: the numbers of the rows that were asked; None for all.
            answers: [asked] each; nothing where no row of this part was asked.
        """
        self.rows += count
        if not answers:
            self._without(rows, count)
            return
        if self._kinds is None:
            self._kinds = {name: column.type for name, column in answers.items()}
            self.names = [*answers]
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                self._without(*each)
        self._write(pa.table({**rows, **(answers if asked is None else _spread(answers, asked, count))}))

    def _without(self, rows: Mapping[str, pa.ChunkedArray], count: int) -> None:
        if self._kinds is None:
            self._waiting.append((rows, count))
            return
        self._write(pa.table({**rows, **{name: pa.nulls(count, kind) for name, kind in self._kinds.items()}}))


def _spread(answers: Mapping[str, pa.Array], asked: Array, count: int) -> dict[str, pa.Array]:
    """Answers [asked] as columns [count], which have nothing at the other rows."""
    places = np.full(count, -1)
    places[asked] = np.arange(len(asked))
    chosen = pa.array(places, mask=places < 0)
    return {name: column.take(chosen) for name, column in answers.items()}


def note_of_unasked(why: Sequence[str], total: int) -> str:
    """What is said of rows without an answer, of a total: why, of the first ones."""
    return f"{len(why):,} of {total:,} rows {'has' if len(why) == 1 else 'have'} no answer: {few_of(why, 3)}"
