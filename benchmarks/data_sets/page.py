"""The page of the data sets, from the figures that were measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from benchmarks.data_sets.run import SPECS
from benchmarks.data_sets.sets import Written

PAGE = Path(__file__).parents[2] / "docs" / "data_sets.md"
RESULTS = Path(__file__).parents[1] / "results" / "data_sets.json"
HEAD = """# Public data sets

Data that packages ship, each by one spec, `mai train` and `mai eval`, without other preparation, beside scikit-learn on the same
rows: a linear model (logistic or ridge regression), a network of two layers of 64, and trees by gradient boosting, which have medians in
the gaps, marks where those were, one unit for numbers and a column for each word. Each number is the mean over 5 seeds, each with its
own test part (a fifth of the rows; the file that the data have for it; the latest fifth of a series), and the deviation between them. What
is best is bold. Made by `make data-sets`; `python -m benchmarks.data_sets wine` measures one of them anew.
"""
TAIL = "\nThe specs, in `benchmarks/data_sets/specs`:\n"
BETWEEN = """
Texts are beside a transformer of the same form in torch, written by hand in `benchmarks/data_sets/conversations.py`. Its questions are for learning, and
the measure counts how often the likeliest byte is the right one, in answers to questions of the test part.
"""
SEEDS = 5
Figures = dict[str, tuple[float, float, int]]
"""The mean over seeds, the deviation between them, and their number, by who reached them: `mai` first."""


def figures_of(reached: Mapping[str, Sequence[float]]) -> Figures:
    """What the page says of scores, one a seed."""
    return {
        name: (float(np.mean(values)), float(np.std(values, ddof=1)), len(values)) for name, values in reached.items()
    }


def read_results() -> dict[str, Figures]:
    """What was measured so far, by data set."""
    if not RESULTS.exists():
        return {}
    stated = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {
        data: {name: (mean, deviation, seeds) for name, (mean, deviation, seeds) in row.items()}
        for data, row in stated.items()
    }


def write_results(results: Mapping[str, Figures]) -> None:
    """Keep it."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def write_page(rows: Sequence[tuple[Written, Figures]]) -> None:
    """Write a table for those who have the same rivals, and the specs."""
    tables = [_table([*same]) for _, same in groupby(rows, lambda row: [*row[1]])]
    specs = "".join(f"\n```mai\n{(SPECS / f'{data.name}.mai').read_text()}```\n" for data, _ in rows)
    PAGE.write_text(HEAD + BETWEEN.join(tables) + TAIL + specs, encoding="utf-8")


def _table(rows: Sequence[tuple[Written, Figures]]) -> str:
    names = [*rows[0][1]]
    head = f"\n| data | rows | measure | {' | '.join(names)} |\n|{'---|' * (3 + len(names))}\n"
    return head + "".join(
        f"| {data.name} ({data.package}) | {data.says} | {data.score} | {' | '.join(_cells(figures))} |\n"
        for data, figures in rows
    )


def _cells(figures: Figures) -> Iterator[str]:
    best = max(round(mean, 3) for mean, *_ in figures.values())
    for mean, deviation, seeds in figures.values():
        mark = "**" if round(mean, 3) == best else ""
        few = "" if seeds == SEEDS else f" ({seeds} seeds)"
        yield f"{mark}{mean:.3f}{mark} ± {deviation:.3f}{few}"
