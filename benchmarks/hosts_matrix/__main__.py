"""Run every export of every example in every engine, and write the table of `docs/hosts.md`.

python -m benchmarks.hosts_matrix                     what is known of a file's bytes in an engine's version is not run again
python -m benchmarks.hosts_matrix --only web c        some engines
python -m benchmarks.hosts_matrix moons_flow dit      some examples; the table is not written
"""

from __future__ import annotations

import hashlib
import json
import sys

from benchmarks.hosts_matrix.engines import BUILD, ENGINES, ROOT, Command, Missing, install, version
from benchmarks.hosts_matrix.jobs import Job, Outcome, run
from benchmarks.hosts_matrix.subjects import Subject, subjects
from benchmarks.hosts_matrix.table import sign, text, write

KNOWN = BUILD / "outcomes.json"
BLOCK = 10  # Files that an engine gets at once.


def main(words: list[str]) -> int:
    """The exit status: 1 where a result is wrong, or an engine is not here."""
    only = words[words.index("--only") + 1 :] if "--only" in words else list(ENGINES)
    wanted = words[: words.index("--only")] if "--only" in words else words
    BUILD.mkdir(parents=True, exist_ok=True)
    commands, versions = _installed(only)
    examples = [p for p in sorted((ROOT / "examples").glob("*.mai")) if not wanted or p.stem in wanted]
    known: dict[str, Outcome] = json.loads(KNOWN.read_text(encoding="utf-8")) if KNOWN.exists() else {}
    files = list(subjects(examples))
    rows: dict[str, dict[str, Outcome]] = {subject.name: {} for subject in files}
    for name, command in commands.items():
        for place in range(0, len(files), BLOCK):
            outcomes = _outcomes(known, name, versions[name], command, files[place : place + BLOCK])
            for subject, outcome in outcomes:
                rows[subject][name] = outcome
            KNOWN.write_text(json.dumps(known, indent=1), encoding="utf-8")
        signs = [sign(name, f, o[name]) for f, o in rows.items() if name in o]
        print(f"{ENGINES[name].title}: {', '.join(f'{signs.count(s)} {s}' for s in dict.fromkeys(signs))}", flush=True)
    if not wanted and set(commands) == set(ENGINES):
        write(text(rows, versions))
    signs = [sign(e, f, o) for f, outcomes in rows.items() for e, o in outcomes.items()]
    return int(any("WRONG" in s for s in signs) or set(commands) != set(only))


def _installed(names: list[str]) -> tuple[dict[str, Command], dict[str, str]]:
    """The commands and versions of those engines that can be had here; the others are told."""
    commands, versions = {}, {}
    for name in names:
        try:
            commands[name] = install(name)
            versions[name] = version(name)
        except Missing as error:
            print(f"{ENGINES[name].title} is not here: {error}", file=sys.stderr)
    return commands, versions


def _outcomes(
    known: dict[str, Outcome], name: str, version: str, command: Command, files: list[Subject]
) -> list[tuple[str, Outcome]]:
    """What is known of files in an engine, or becomes known now; nothing of those without the form that the engine takes."""
    jobs = [Job(name, f, path) for f in files if (path := f.file(ENGINES[name].form)) is not None]
    keys = [f"{name} {version} {hashlib.sha256(job.path.read_bytes()).hexdigest()}" for job in jobs]
    new = {key: job for key, job in zip(keys, jobs, strict=True) if key not in known}
    known.update(zip(new, run(command, list(new.values())), strict=True))
    return [(job.subject.name, known[key]) for key, job in zip(keys, jobs, strict=True)]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
