"""`python -m benchmarks.data_sets [NAME ...]`: each data set by its spec and by scikit-learn, over seeds; writes docs/data_sets.md."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.data_sets.page import write_page
from benchmarks.data_sets.rivals import RIVALS, rival_score
from benchmarks.data_sets.run import mai_score
from benchmarks.data_sets.sets import SETS, DataSet

Scores = dict[str, list[float]]


def scores(data: DataSet, seeds: int, folder: Path) -> Scores:
    """What mai and each rival reach on the test rows, once a seed."""
    reached: Scores = {"mai": [], **{rival.name: [] for rival in RIVALS}}
    for seed in range(seeds):
        rows = data.rows(seed)
        reached["mai"].append(mai_score(data, seed, folder / data.name / str(seed)))
        for rival in RIVALS:
            reached[rival.name].append(rival_score(rival, rows, data.score, seed))
        print(data.name, {name: round(values[-1], 4) for name, values in reached.items()}, flush=True)
    return reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="some of the data sets; all, and the page, where none is named")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    chosen = [data for data in SETS if not asked.names or data.name in asked.names]
    with tempfile.TemporaryDirectory() as folder:
        rows = [(data, scores(data, asked.seeds, Path(folder))) for data in chosen]
    if not asked.names:
        write_page(rows)


if __name__ == "__main__":
    main()
