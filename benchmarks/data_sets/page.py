"""The page of the data sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.data_sets.run import SPECS
from benchmarks.data_sets.sets import DataSet

PAGE = Path(__file__).parents[2] / "docs" / "data_sets.md"
HEAD = """# Public data sets

Data that packages ship, each by one spec, `mai train` and `mai eval`, without other preparation, beside scikit-learn on the same
rows: a linear model (logistic or ridge regression), a network of two layers of 64, and trees by gradient boosting, which have medians in
the gaps, marks where those were, one unit for numbers and a column for each word. Each number is the mean over {seeds} seeds, each with its
own test part (a fifth of the rows; the file that the data have for it; the latest fifth of a series), and the deviation between them. What
is best is bold. Made by `make data-sets`.

| data | rows | measure | mai | linear | network | trees |
|---|---|---|---|---|---|---|
"""
TAIL = "\nThe specs, in `benchmarks/data_sets/specs`:\n"


def write_page(rows: Sequence[tuple[DataSet, Mapping[str, Sequence[float]]]]) -> None:
    """Write the table and the specs."""
    seeds = len(next(iter(rows[0][1].values())))
    table = "".join(
        f"| {data.name} ({data.package}) | {data.says} | {data.score} | {' | '.join(_cells(reached))} |\n"
        for data, reached in rows
    )
    specs = "".join(f"\n```mai\n{(SPECS / f'{data.name}.mai').read_text()}```\n" for data, _ in rows)
    PAGE.write_text(HEAD.format(seeds=seeds) + table + TAIL + specs)


def _cells(reached: Mapping[str, Sequence[float]]) -> Iterator[str]:
    best = max(np.mean(values) for values in reached.values())
    for values in reached.values():
        mark = "**" if np.mean(values) == best else ""
        yield f"{mark}{np.mean(values):.3f}{mark} ± {np.std(values, ddof=1):.3f}"
