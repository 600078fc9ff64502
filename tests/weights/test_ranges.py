"""Which elements of a tensor its cuts take: as many as a mark on each of them finds, whatever the cuts."""

from __future__ import annotations

import numpy as np
import pytest

from mai.compiler.weights.ranges import count_of, joined, parts_of
from mai.compiler.weights.rules import Chain, Cut, Part, Pattern, Step, Transpose
from mai.spec.source import Source, Span

NAME = Pattern("w", Span(Source("a.mai", "w"), 0, 1))
ROWS, BLOCK, COLUMN, EVERY_SECOND = (
    Cut((slice(0, 4),)), Cut((slice(2, None), slice(3, 7))), Cut((slice(None), 2)), Cut((slice(None), slice(None, None, 2))),
)  # fmt: skip


@pytest.mark.parametrize(
    "cuts",
    [
        [(ROWS,)],
        [(BLOCK,), (COLUMN,)],
        [(Transpose(), ROWS)],
        [(Part(3, -1, 1),), (Part(2, 0, 0),), (Cut((5,)),)],
        [(EVERY_SECOND,), (Cut((slice(6, 6),)),)],
        [(Part(3, -1, place),) for place in range(3)],
    ],
)
def test_as_many_as_marks_count(cuts: list[tuple[Step, ...]]) -> None:
    marks = np.zeros((8, 12), bool)
    chains = [Chain(NAME, steps) for steps in cuts]
    for each in chains:
        each.apply(marks)[...] = True
    taken = joined(*(parts_of(marks.shape, each) for each in chains))
    assert count_of(taken) == marks.sum()
    flat = np.zeros(marks.size, bool)
    for start, end in zip(*taken, strict=True):
        flat[start:end] = True
    np.testing.assert_array_equal(flat, marks.reshape(-1))
