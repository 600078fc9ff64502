"""docs/papers.md: models of papers, each beside the same by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import processor, table
from benchmarks.runs import ROOT
from benchmarks.twins.twin import Twin

TOP = """# Models of papers

Each spec beside the same model written by hand (in torch, or with scipy's solvers), trained for as many steps on the same batches and judged by
the same figure: that of the compiled file, and that of the twin. Where the spec says more steps than both were trained for, the table says
for how many. The specs, and the small scripts that make their data, are in [examples/papers](../examples/papers) and
[examples](../examples/README.md), the twins in [benchmarks/twins](../benchmarks/twins).

<!-- not run: it trains all of them, for hours -->

```sh
python -m benchmarks.twins
```
"""
HEAD = ["spec", "lines", "what is measured", "mai", "by hand", "to be had", "steps"]


def page(twins: Sequence[Twin], figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of these figures."""
    rows = [row(twin, figures[twin.key]) for twin in twins if twin.key in figures]
    return f"{TOP}\n{table(HEAD, rows)}\n\nOn one core of: {processor()}.\n"


def row(twin: Twin, told: Mapping[str, Any]) -> list[str]:
    lines = len(twin.path.read_text(encoding="utf-8").splitlines())
    link = f"[{twin.path.stem}](../{twin.path.relative_to(ROOT)})"
    steps = "all" if twin.steps is None else f"{twin.steps:,}"
    return [link, str(lines), twin.says, f"{told['mai']:.3g}", f"{told['torch']:.3g}", twin.bound, steps]
