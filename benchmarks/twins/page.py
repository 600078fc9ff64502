"""docs/papers.md: models of papers, each beside the same by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import processor, table
from benchmarks.runs import ROOT
from benchmarks.twins.twin import Twin

TOP = """# Models of papers

Does a spec learn as well as the same model written by hand? Each row of the table is one model of a paper. The column "mai" has the figure of the
compiled file. The column "by hand" has the figure of a twin: the same model in torch, or with scipy's solvers, without mai. Both were trained
for as many steps on the same batches, and both are judged by the same code.

- "the best possible" is what the data, or the paper, allow at best, where that is known.
- "steps" is "all" where both were trained as the spec says, and else the number of steps of both.

The specs, and the small scripts that make their data, are in [examples/papers](../examples/papers) and
[examples](../examples/README.md). The twins are in [benchmarks/twins](../benchmarks/twins). This command trains them again:

<!-- not run: it trains all of them, for hours -->
```sh
python -m benchmarks.twins
```
"""
HEAD = ["spec", "lines", "what is measured", "mai", "by hand", "the best possible", "steps"]


def page(twins: Sequence[Twin], figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of these figures."""
    rows = [row(twin, figures[twin.key]) for twin in twins if twin.key in figures]
    return f"{TOP}\n{table(HEAD, rows)}\n\nOn one core of: {processor()}.\n"


def row(twin: Twin, record: Mapping[str, Any]) -> list[str]:
    lines = len(twin.path.read_text(encoding="utf-8").splitlines())
    link = f"[{twin.path.stem}](../{twin.path.relative_to(ROOT)})"
    steps = "all" if twin.steps is None else f"{twin.steps:,}"
    return [link, str(lines), twin.says, f"{record['mai']:.3g}", f"{record['torch']:.3g}", twin.bound, steps]
