"""The table of `docs/hosts.md`: a row an export, a column an engine; and below it why an engine refuses what it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.hosts_matrix.engines import ENGINES, ROOT
from benchmarks.hosts_matrix.jobs import EQUAL, REFUSED, Outcome
from benchmarks.hosts_matrix.told import TOLD, reason_of

PAGE = ROOT / "docs" / "hosts.md"
PLACE = re.compile(r"(<!-- hosts -->\n).*?(<!-- /hosts -->)", re.DOTALL)
SIGNS = {EQUAL: "=", REFUSED: "refused", "told": "told", "flat": "·"}
Rows = Mapping[str, Mapping[str, Outcome]]  # Outcomes by file, then by engine.


def sign(engine: str, name: str, outcome: Outcome | None) -> str:
    """What stands in the table: `=`, `refused`, `told`, or WRONG, of which there is to be none."""
    if outcome is None:
        return SIGNS["flat"]
    if outcome["result"] in SIGNS:
        return SIGNS[str(outcome["result"])]
    return SIGNS["told"] if (engine, name) in TOLD else f"**WRONG** {outcome['error']:.0e}"


def text(rows: Rows, versions: Mapping[str, str]) -> str:
    """The table with what belongs to it."""
    engines = [e for e in ENGINES if e in versions]
    lines = [f"| file | {' | '.join(ENGINES[e].title for e in engines)} |", "|---" * (len(engines) + 1) + "|"]
    lines.append(f"| | {' | '.join(versions[e] for e in engines)} |")
    for name, outcomes in rows.items():
        lines.append(f"| `{name}` | {' | '.join(sign(e, name, outcomes.get(e)) for e in engines)} |")
    return "\n".join([*lines, "", *_reasons(rows, engines)])


def _reasons(rows: Rows, engines: Sequence[str]) -> list[str]:
    """For each engine the reasons of what it refuses, and what is told of its results."""
    lines = []
    for engine in engines:
        reasons: dict[str, int] = {}
        for outcomes in rows.values():
            outcome = outcomes.get(engine)
            if outcome is not None and outcome["result"] == REFUSED:
                reason = reason_of(engine, str(outcome["reason"]))
                reasons[reason] = reasons.get(reason, 0) + 1
        lines += [f"- {ENGINES[engine].title} refuses {n}: {reason}" for reason, n in reasons.items()]
        told = {TOLD[engine, name] for name in rows if (engine, name) in TOLD}
        lines += [f"- {ENGINES[engine].title}: {reason}" for reason in sorted(told)]
    return lines


def write(table: str) -> None:
    """Put the table into the page, between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(PLACE.sub(lambda place: f"{place[1]}{table}\n{place[2]}", page), encoding="utf-8")
