"""Runs of several seeds, or folds, as one row of a table: means, and deviations between them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mai.runtime.show.terminal import aligned


@dataclass(frozen=True, slots=True)
class Row:
    """One choice of settings: the figures by name, one for each seed, or each fold, that has come to an end."""

    settings: Mapping[str, str]
    figures: Mapping[str, Sequence[float]]
    runs: int
    failed: int = 0

    def mean(self, name: str) -> float | None:
        """Of a figure over the runs; None where no run has it."""
        values = self.figures.get(name, ())
        return statistics.fmean(values) if values else None

    def deviation(self, name: str) -> float | None:
        """Between them: the standard deviation with n - 1; None for one run."""
        values = self.figures.get(name, ())
        return statistics.stdev(values) if len(values) > 1 else None


def pooled(groups: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, list[float]]:
    """The figures of runs by name, those that all have.

    Args:
        groups: the figures of each run, by fold: where there are several folds, a fold counts once, by the mean over its seeds.
    """
    runs = [run for group in groups for run in group]
    names = [name for name in (runs[0] if runs else ()) if all(name in run for run in runs)]
    if len(groups) == 1:
        return {name: [run[name] for run in runs] for name in names}
    return {name: [statistics.fmean(run[name] for run in group) for group in groups if group] for name in names}


def sorted_rows(rows: Sequence[Row], by: str, goal: str) -> list[Row]:
    """The best first; those without the figure last, as they came."""
    sign = 1 if goal == "min" else -1

    def key(row: Row) -> tuple[bool, float]:
        mean = row.mean(by)
        return mean is None or mean != mean, sign * (mean or 0.0)

    return sorted(rows, key=key)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table: settings, how many runs, and every figure as mean ± deviation."""
    settings = list(dict.fromkeys(name for row in rows for name in row.settings))
    figures = list(dict.fromkeys(name for row in rows for name in row.figures))
    head = (*settings, "runs", *figures)
    yield from aligned(head, [_cells(row, settings, figures) for row in rows])


def _cells(row: Row, settings: Sequence[str], figures: Sequence[str]) -> tuple[str, ...]:
    failed = f", {row.failed} failed" if row.failed else ""
    return (*(row.settings.get(n, "") for n in settings), f"{row.runs}{failed}", *(_figure(row, n) for n in figures))


def _figure(row: Row, name: str) -> str:
    mean, deviation = row.mean(name), row.deviation(name)
    if mean is None:
        return ""
    return f"{mean:.4g}" if deviation is None else f"{mean:.4g} ± {deviation:.2g}"


def as_values(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The same for json."""
    return [
        {
            "settings": dict(row.settings),
            "runs": row.runs,
            "failed": row.failed,
            "figures": {
                name: {"mean": row.mean(name), "deviation": row.deviation(name), "values": list(values)}
                for name, values in row.figures.items()
            },
        }
        for row in rows
    ]
