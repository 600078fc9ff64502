"""The tables of `docs/hosts.md`: a row an export in float32, a row another kind of files; a column an engine; below each why an engine refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from benchmarks.hosts_matrix.engines import ENGINES, FLOAT32, ROOT
from benchmarks.hosts_matrix.jobs import EQUAL, REFUSED, Outcome
from benchmarks.hosts_matrix.told import TOLD, reason_of

PAGE = ROOT / "docs" / "hosts.md"
MARK_OF_FILES, MARK_OF_KINDS = "hosts", "kinds"
SIGNS = {EQUAL: "=", REFUSED: "refused", "told": "told", "flat": "·"}
Rows = Mapping[str, Mapping[str, Outcome]]  # Outcomes by file, then by engine.


def place(mark: str) -> re.Pattern[str]:
    """Where a table stands in the page."""
    return re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)


def sign(engine: str, name: str, outcome: Outcome | None) -> str:
    """What stands in the table: `=`, `refused`, `told`, or WRONG, of which there is to be none."""
    if outcome is None:
        return SIGNS["flat"]
    if outcome["result"] in SIGNS:
        return SIGNS[str(outcome["result"])]
    return SIGNS["told"] if (engine, name) in TOLD else f"**WRONG** {outcome['error']:.0e}"


def table_of_files(rows: Rows, versions: Mapping[str, str]) -> str:
    """Every file of float32 in every engine."""
    engines = [e for e in ENGINES if e in versions and FLOAT32 in ENGINES[e].kinds]
    lines = _head("file", engines, versions)
    for name, outcomes in rows.items():
        lines.append(f"| `{name}` | {' | '.join(sign(e, name, outcomes.get(e)) for e in engines)} |")
    return "\n".join([*lines, "", *_reasons([rows], engines)])


def table_of_kinds(kinds: Mapping[str, Rows], versions: Mapping[str, str]) -> str:
    """How many files of each other kind are what in each engine that gets some."""
    engines = [e for e in ENGINES if e in versions and set(kinds) & set(ENGINES[e].kinds)]
    lines = _head("files", engines, versions)
    for kind, rows in kinds.items():
        cells = (_counts(e, rows) for e in engines)
        lines.append(f"| {kind}, {len(rows)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_lacking(kinds), *_reasons(kinds.values(), engines)])


def _lacking(kinds: Mapping[str, Rows]) -> Iterator[str]:
    """Which files of which kinds there are not."""
    names = dict.fromkeys(name for rows in kinds.values() for name in rows)
    for kind, rows in kinds.items():
        others = ", ".join(f"`{name}`" for name in names if name not in rows)
        if others:
            yield f"- `mai compile` makes no file of {kind} of {others}, and says why"


def _head(first: str, engines: list[str], versions: Mapping[str, str]) -> list[str]:
    titles = " | ".join(ENGINES[e].title for e in engines)
    lines = [f"| {first} | {titles} |", "|---" * (len(engines) + 1) + "|"]
    return [*lines, f"| | {' | '.join(versions[e] for e in engines)} |"]


def _counts(engine: str, rows: Rows) -> str:
    """As `36 =, 2 refused`."""
    signs = [sign(engine, name, outcomes[engine]) for name, outcomes in rows.items() if engine in outcomes]
    return ", ".join(f"{signs.count(s)} {s}" for s in dict.fromkeys(sorted(signs))) or SIGNS["flat"]


def _reasons(tables: Iterable[Rows], engines: list[str]) -> list[str]:
    """For each engine the reasons of what it refuses, and remarks on its results."""
    lines, rows = [], [(name, outcomes) for table in tables for name, outcomes in table.items()]
    for engine in engines:
        refused = [o[engine] for _, o in rows if engine in o and o[engine]["result"] == REFUSED]
        reasons = [reason_of(engine, str(outcome["reason"])) for outcome in refused]
        lines += [f"- {ENGINES[engine].title} refuses {reasons.count(r)}: {r}" for r in dict.fromkeys(reasons)]
        remarks = {TOLD[engine, name] for name, _ in rows if (engine, name) in TOLD}
        lines += [f"- {ENGINES[engine].title}: {reason}" for reason in sorted(remarks)]
    return lines


def write(mark: str, table: str) -> None:
    """Put a table into the page, between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(place(mark).sub(lambda marks: f"{marks[1]}{table}\n{marks[2]}", page), encoding="utf-8")
