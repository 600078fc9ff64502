"""Broken specs in batches: `python -m benchmarks.fuzz --mutations 1000000`; run again, it goes on where it stopped.

`--kind models` breaks compiled files, `--kind weights` weights and checkpoints. Mutation i of a seed is the same on every machine. What was found is in `--out`: `state.json` holds the counts,
`failures/` one minimised file for each kind of failure.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.fuzz.batches import State, run
from benchmarks.fuzz.subjects import SUBJECTS
from benchmarks.fuzz.trial import LIMIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(SUBJECTS), default="specs")
    parser.add_argument("--mutations", type=int, default=10_000, help="how many in all, those done before included")
    parser.add_argument("--batch", type=int, default=5_000, help="how many a process")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds that one may take")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    arguments = parser.parse_args()
    folder = arguments.out / arguments.kind
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "state.json"
    state = State.read(place, arguments.seed)
    began, before = time.monotonic(), state.done
    while state.done < arguments.mutations:
        state = run(
            folder, arguments.kind, state, min(arguments.mutations, state.done + arguments.batch), arguments.limit
        )
        rate = (state.done - before) / (time.monotonic() - began)
        print(
            f"{state.done:,} mutations, {state.sound:,} sound, {len(state.failures)} kinds of failure, "
            f"the slowest {state.worst:.2f} s (number {state.worst_number:,}), {rate:.0f} a second",
            flush=True,
        )
    for failure, number in state.failures.items():
        print(f"{number}: {failure}")
    raise SystemExit(1 if state.failures else 0)


if __name__ == "__main__":
    main()
