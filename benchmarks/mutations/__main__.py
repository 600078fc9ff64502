"""Do the tests see a fault? Sixty single faults in the passes, the operations and the interpreters, one at a time.

    python -m benchmarks.mutations                  # goes on where it stopped: what is known is in build/mutations
    python -m benchmarks.mutations --count 10       # the first ten
    python -m benchmarks.mutations --only 3 17      # these, again
    python -m benchmarks.mutations --list           # name them

Each fault is put into a copy of the tree. First the tests of `make fast` run, the likely ones before the others, until one
fails; if none does, the slow ones. A fault that changes nothing that can be seen is named in `EQUIVALENT`, with the reason.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

from benchmarks.mutations.equivalent import EQUIVALENT
from benchmarks.mutations.faults import Fault, chosen
from benchmarks.mutations.trial import copy_tree, diff_of, run_tests

ROOT = Path(__file__).parents[2]
SUBJECTS = ("compiler/passes/**/*.py", "compiler/ops/**/*.py", "compiler/ir/evaluate.py", "compiler/*/interpreter.py",
            "compiler/onnx/lowering/interpreter.py", "compiler/onnx/lowering/build.py", "compiler/torch/module.py")  # fmt: skip
FAST, SLOW = "not slow", "slow"


def subjects() -> list[Path]:
    """The files that faults are put into."""
    found = sorted({path for pattern in SUBJECTS for path in ROOT.glob(pattern)})
    return [path for path in found if path.name != "__main__.py"]


def tried(fault: Fault, tree: Path, limit: float, fast_alone: bool, likely_alone: bool) -> dict[str, Any]:
    """What the tests say of one fault; the tree is as before afterwards."""
    place = tree / fault.path
    raw = place.read_bytes()
    changed = fault.applied(raw)
    place.write_bytes(changed)
    try:
        fast = run_tests(tree, fault.path, FAST, limit, likely_alone)
        slow = None if fast.by or fast_alone or likely_alone else run_tests(tree, fault.path, SLOW, 4 * limit)
    finally:
        place.write_bytes(raw)
    seconds = fast.seconds + (slow.seconds if slow else 0)
    diff = diff_of(fault.path, raw, changed)
    return {"fast": fast.by, "slow": slow.by if slow else None, "seconds": round(seconds, 1), "diff": diff}


def check_unchanged(tree: Path, limit: float) -> None:
    """End where the tests fail without a fault: then they would say nothing of one."""
    outcome = run_tests(tree, "", FAST, limit)
    if outcome.by is not None:
        raise SystemExit(f"without a fault, {outcome.by} fails")
    print(f"without a fault, the tests pass in {outcome.seconds:.0f} s", flush=True)


def outcomes(
    faults: list[tuple[int, Fault]], jobs: int, limit: float, fast_alone: bool, likely_alone: bool
) -> Iterator[tuple[int, Fault, dict[str, Any]]]:
    """Try faults, `jobs` at a time, each in a tree of its own."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        trees: Queue[Path] = Queue()
        for job in range(jobs):
            copy_tree(ROOT, Path(folder) / str(job))
            trees.put(Path(folder) / str(job))
        if not likely_alone:
            check_unchanged(Path(folder) / "0", limit)

        def one(numbered: tuple[int, Fault]) -> tuple[int, Fault, dict[str, Any]]:
            tree = trees.get()
            try:
                return *numbered, tried(numbered[1], tree, limit, fast_alone, likely_alone)
            finally:
                trees.put(tree)

        yield from pool.map(one, faults)


def verdict(fault: Fault, outcome: dict[str, Any]) -> str:
    """One line on a fault."""
    if outcome["fast"]:
        return f"caught by {outcome['fast']}"
    if outcome["slow"]:
        return f"caught by the slow {outcome['slow']}"
    return f"equivalent: {EQUIVALENT[fault.name]}" if fault.name in EQUIVALENT else "SURVIVED"


def summary(faults: list[Fault], known: dict[str, dict[str, Any]]) -> str:
    """The counts over the faults that were tried."""
    done = [(fault, known[fault.name]) for fault in faults if fault.name in known]
    fast = sum(bool(outcome["fast"]) for _, outcome in done)
    slow = sum(bool(outcome["slow"]) for _, outcome in done)
    same = sum(verdict(fault, outcome).startswith("equivalent") for fault, outcome in done)
    return (
        f"of {len(done)} faults {fast} are caught by `make fast`, {slow} more by `make test`; "
        f"{same} change nothing, {len(done) - fast - slow - same} survive"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="how many faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="their numbers")
    parser.add_argument("--list", action="store_true", help="name the faults and stop")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--limit", type=float, default=300, help="seconds for the tests of `make fast`")
    parser.add_argument("--fast", action="store_true", help="leave the slow tests out")
    parser.add_argument(
        "--likely", action="store_true", help="the likely tests alone; what they miss stays to be tried"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutations")
    asked = parser.parse_args()
    faults = chosen(subjects(), ROOT, asked.count, asked.seed)
    asked.out.mkdir(parents=True, exist_ok=True)
    place = asked.out / "outcomes.json"
    known: dict[str, dict[str, Any]] = json.loads(place.read_text()) if place.exists() else {}
    if asked.list:
        for number, fault in enumerate(faults):
            print(f"{number}: {fault.name} (line {fault.line})")
        return
    numbers = range(len(faults)) if asked.only is None else asked.only
    left = [(n, faults[n]) for n in numbers if asked.only is not None or faults[n].name not in known]
    for number, fault, outcome in outcomes(left, asked.jobs, asked.limit, asked.fast, asked.likely):
        if outcome["fast"] or not asked.likely:
            known[fault.name] = outcome
            place.write_text(json.dumps(known, indent=1))
        print(f"{number}: {fault.kind}, {outcome['seconds']:.0f} s: {verdict(fault, outcome)}", flush=True)
        print(outcome["diff"], flush=True)
    print(summary(faults, known))


if __name__ == "__main__":
    main()
