"""Run every export of every example in every engine, and write the tables of `docs/hosts.md`.

python -m benchmarks.hosts_matrix                     a file's bytes that an engine's version has run already are not run again
python -m benchmarks.hosts_matrix --kinds float32     some kinds of files: a table is written when all of it is there
python -m benchmarks.hosts_matrix --only web c        some engines
python -m benchmarks.hosts_matrix moons_flow dit      some examples; no table is written
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from benchmarks.hosts_matrix.engines import BUILD, ENGINES, FLOAT32, ROOT, Command, Missing, install, version
from benchmarks.hosts_matrix.jobs import Job, Outcome, run
from benchmarks.hosts_matrix.subjects import KINDS, Subject, subjects
from benchmarks.hosts_matrix.table import (
    MARK_OF_FILES,
    MARK_OF_KINDS,
    Rows,
    sign,
    table_of_files,
    table_of_kinds,
    write,
)

KNOWN = BUILD / "outcomes.json"
BLOCK = 10  # Files that an engine gets at once.


def main(words: list[str]) -> int:
    """The exit status: 1 where a result is wrong, or an engine is not here."""
    asked = _read(words)
    BUILD.mkdir(parents=True, exist_ok=True)
    engines = [e for e in asked.only if set(ENGINES[e].kinds) & set(asked.kinds)]
    commands, versions = _installed(engines)
    examples = [p for p in sorted((ROOT / "examples").glob("*.mai")) if not asked.examples or p.stem in asked.examples]
    rows_of = {kind: _of_kind(kind, examples, commands, versions) for kind in asked.kinds}
    if not asked.examples:
        _write_tables(rows_of, versions)
    signs = [sign(e, f, o) for rows in rows_of.values() for f, outcomes in rows.items() for e, o in outcomes.items()]
    return int(any("WRONG" in s for s in signs) or set(commands) != set(engines))


def _read(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts_matrix", description=__doc__)
    parser.add_argument("examples", nargs="*")
    parser.add_argument("--only", nargs="+", default=list(ENGINES), choices=list(ENGINES), metavar="ENGINE")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    return parser.parse_args(words)


def _of_kind(kind: str, examples: list[Path], commands: dict[str, Command], versions: dict[str, str]) -> Rows:
    """What becomes of all files of a kind in the engines that get them."""
    outcomes: dict[str, Outcome] = json.loads(KNOWN.read_text(encoding="utf-8")) if KNOWN.exists() else {}
    files = list(subjects(examples, kind))
    rows: dict[str, dict[str, Outcome]] = {subject.name: {} for subject in files}
    for name, command in commands.items():
        if kind not in ENGINES[name].kinds:
            continue
        for place in range(0, len(files), BLOCK):
            for subject, outcome in _outcomes(outcomes, name, versions[name], command, files[place : place + BLOCK]):
                rows[subject][name] = outcome
            KNOWN.write_text(json.dumps(outcomes, indent=1), encoding="utf-8")
        signs = [sign(name, f, o[name]) for f, o in rows.items() if name in o]
        counts = ", ".join(f"{signs.count(s)} {s}" for s in dict.fromkeys(signs))
        print(f"{kind}, {ENGINES[name].title}: {counts}", flush=True)
    return rows


def _write_tables(rows_of: dict[str, Rows], versions: dict[str, str]) -> None:
    """Those of which all kinds of files were run in all engines that get them."""
    others = {kind: rows for kind, rows in rows_of.items() if kind != FLOAT32}
    if FLOAT32 in rows_of and set(versions) >= {e for e, engine in ENGINES.items() if FLOAT32 in engine.kinds}:
        write(MARK_OF_FILES, table_of_files(rows_of[FLOAT32], versions))
    if len(others) == len(KINDS) - 1 and set(versions) >= {
        e for e, engine in ENGINES.items() if set(others) & set(engine.kinds)
    }:
        write(MARK_OF_KINDS, table_of_kinds(others, versions))


def _installed(names: list[str]) -> tuple[dict[str, Command], dict[str, str]]:
    """The commands and versions of those engines that can be had here; the others are printed."""
    commands, versions = {}, {}
    for name in names:
        try:
            commands[name] = install(name)
            versions[name] = version(name)
        except Missing as error:
            print(f"{ENGINES[name].title} is not here: {error}", file=sys.stderr)
    return commands, versions


def _outcomes(
    outcomes: dict[str, Outcome], name: str, version: str, command: Command, files: list[Subject]
) -> list[tuple[str, Outcome]]:
    """Outcomes of files in an engine, from the record or from a run now; none for files without the form that the engine takes, and for those that it has not done in its time."""
    jobs = [Job(name, f, path) for f in files if (path := f.file(ENGINES[name].form)) is not None]
    keys = [f"{name} {version} {hashlib.sha256(job.path.read_bytes()).hexdigest()}" for job in jobs]
    new = {key: job for key, job in zip(keys, jobs, strict=True) if key not in outcomes}
    results = zip(new, run(command, list(new.values())), strict=True)
    outcomes.update({key: outcome for key, outcome in results if outcome is not None})
    return [(job.subject.name, outcomes[key]) for key, job in zip(keys, jobs, strict=True) if key in outcomes]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
