"""What the tests said of each fault, as it is kept in `benchmarks/results/mutations.json` and shown in docs/fidelity.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import RESULTS
from benchmarks.mutations.faults import Fault

KEPT = RESULTS / "mutations.json"
WIDTH = 60  # characters of a change that the page shows
COLUMNS = ["fault", "in", "the first test that fails"]


def write_outcomes(faults: Sequence[Fault], verdicts: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep the outcomes of the faults that were tried: by which test each was seen, and None where none saw it."""
    rows = [
        {"change": f"{f.before} → {f.after}", "path": f.path, "by": seen_by(verdicts[f.name])}
        for f in faults
        if f.name in verdicts
    ]
    KEPT.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def seen_by(verdict: Mapping[str, Any]) -> str | None:
    """The test that saw a fault first, a slow one with a word before it."""
    quick = verdict.get("likely") or verdict.get("not slow")
    slow = verdict.get("slow")
    return quick or (f"slow: {slow}" if slow else None)


def table_rows() -> list[list[str]]:
    """A row of the page for each fault."""
    rows = json.loads(KEPT.read_text(encoding="utf-8"))
    return [[_code(row["change"]), f"`{row['path']}`", _test(row["by"])] for row in rows]


def _code(change: str) -> str:
    line = " ".join(change.split()).replace("|", "\\|").replace("`", "'")
    return f"`{line if len(line) <= WIDTH else f'{line[: WIDTH - 1]}…'}`"


def _test(by: str | None) -> str:
    """The name of a test without its file and its parameters; what is said where the tests could not even be loaded."""
    if by is None:
        return "**none**"
    before, _, name = by.rpartition("::")
    return (
        f"{'slow: ' if before.startswith('slow: ') else ''}{name.split('[')[0]}"
        if name and before
        else "all: the compiler cannot be imported"
    )
