"""`python -m benchmarks.data_sets [NAME ...]`: each data set by its spec and by rivals, over seeds; writes docs/data_sets.md."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.data_sets.conversations import Conversations, twin_score
from benchmarks.data_sets.page import SEEDS, Figures, figures_of, read_results, write_page, write_results
from benchmarks.data_sets.rivals import RIVALS, rival_score
from benchmarks.data_sets.run import mai_score
from benchmarks.data_sets.sets import SETS, DataSet

CONVERSATIONS = Conversations(
    "numerals", "written by rule", "798 questions about Roman numerals, and their answers; bytes of the answers"
)
ALL: tuple[DataSet | Conversations, ...] = (*SETS, CONVERSATIONS)


def rivals(data: DataSet | Conversations, seed: int) -> Mapping[str, float]:
    """What each rival reaches on the test rows: scikit-learn's, or a twin in torch of what reads texts."""
    if isinstance(data, Conversations):
        return {"torch by hand": twin_score(data, seed)}
    rows = data.rows(seed)
    return {rival.name: rival_score(rival, rows, data.score, seed) for rival in RIVALS}


def figures(data: DataSet | Conversations, seeds: int, folder: Path) -> Figures:
    """What mai and its rivals reach on the test rows: means over seeds, and deviations between them."""
    reached: dict[str, list[float]] = {}
    for seed in range(seeds):
        mai = mai_score(data, seed, folder / data.name / str(seed))
        for name, score in {"mai": mai, **rivals(data, seed)}.items():
            reached.setdefault(name, []).append(score)
        print(data.name, {name: round(values[-1], 4) for name, values in reached.items()}, flush=True)
    return figures_of(reached)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="the data sets that are measured anew; all where none is named")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    asked = parser.parse_args()
    unknown = {*asked.names} - {data.name for data in ALL}
    if unknown:
        parser.error(
            f"there is no data set {', '.join(sorted(unknown))}; there are {', '.join(data.name for data in ALL)}"
        )
    results = read_results()
    with tempfile.TemporaryDirectory() as folder:
        for data in ALL:
            if not asked.names or data.name in asked.names:
                results[data.name] = figures(data, asked.seeds, Path(folder))
                write_results(results)
    write_page([(data, results[data.name]) for data in ALL if data.name in results])


if __name__ == "__main__":
    main()
