"""Do the tests see a fault? Sixty single faults in the passes, the operations and the interpreters, one at a time.

    python -m benchmarks.mutations                  # goes on where it stopped, on the code as it was when it began; the outcomes
                                                    # of all sixty go into benchmarks/results/mutations.json, which docs/fidelity.md shows
    python -m benchmarks.mutations --anew           # begins, on the code as it is
    python -m benchmarks.mutations --count 10       # the first ten
    python -m benchmarks.mutations --only 3 17      # these, again
    python -m benchmarks.mutations --list           # name them

All faults are put into copies of one state of the code, which is kept in `build/mutations/tree`. Once the tests of `make
fast` run with a probe at each fault: this says which tests reach it. Then each fault is tried on the files of the tests that reach it,
until one fails; what these do not see, on all others of `make fast`, and what these do not see, on the slow ones.
What changes nothing that can be seen is named in `EQUIVALENT`, with the reason, and another fault is tried in its place.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

from benchmarks.mutations.equivalent import EQUIVALENT
from benchmarks.mutations.faults import Fault, chosen
from benchmarks.mutations.outcomes import seen_by, write_outcomes
from benchmarks.mutations.trial import (
    ALL,
    FAST,
    LIKELY,
    REST,
    SLOW,
    copy_tree,
    diff_of,
    record_reach,
    run_tests,
    tests_for,
)

ROOT = Path(__file__).parents[2]
SUBJECTS = ("compiler/passes/**/*.py", "compiler/ops/**/*.py", "compiler/ir/evaluate.py", "compiler/*/interpreter.py",
            "compiler/onnx/lowering/interpreter.py", "compiler/onnx/lowering/build.py", "compiler/torch/module.py")  # fmt: skip
COUNT = 60  # faults, for which reach is recorded
# What is tried on all faults before the next is tried on those that it has not seen: which tests, which part, how many limits.
PHASES = {"likely": (FAST, LIKELY, 1), FAST: (FAST, REST, 1), SLOW: (SLOW, ALL, 20)}
Tried = tuple[int, Fault, dict[str, Any]]  # its number, and what the tests said of it


def subjects(tree: Path) -> list[Path]:
    """The files that faults are put into."""
    paths = sorted({path for pattern in SUBJECTS for path in tree.glob(pattern)})
    return [path for path in paths if path.name != "__main__.py"]


def begin(out: Path, seed: int) -> list[Fault]:
    """The faults of the code as it was when the run began; the first time, keep the code and record what tests reach."""
    tree, reach = out / "tree", out / "reach.json"
    if not tree.exists():
        copy_tree(ROOT, tree)
    faults = chosen(subjects(tree), tree, COUNT, seed, EQUIVALENT)
    if not reach.exists():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(tree, folder, symlinks=True, dirs_exist_ok=True)
            record_reach(Path(folder), faults, reach)
        print(f"which tests reach which faults is in {reach}", flush=True)
    return faults


def tried(number: int, fault: Fault, tree: Path, reach: Path, phase: str, limit: float) -> dict[str, Any]:
    """What the tests of a phase say of one fault; the tree is as before afterwards."""
    place = tree / fault.path
    raw = place.read_bytes()
    changed = fault.applied(raw)
    place.write_bytes(changed)
    try:
        marker, part, limits = PHASES[phase]
        outcome = run_tests(tree, tests_for(reach, number, fault), marker, part, limits * limit)
    finally:
        place.write_bytes(raw)
    return {phase: outcome.by, "seconds": round(outcome.seconds, 1), "diff": diff_of(fault.path, raw, changed)}


def outcomes(faults: list[tuple[int, Fault]], out: Path, phase: str, jobs: int, limit: float) -> Iterator[Tried]:
    """Try faults, `jobs` at a time, each in a tree of its own."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        trees: Queue[Path] = Queue()
        for job in range(jobs):
            shutil.copytree(out / "tree", Path(folder) / str(job), symlinks=True)
            trees.put(Path(folder) / str(job))

        def one(numbered: tuple[int, Fault]) -> Tried:
            tree = trees.get()
            try:
                return *numbered, tried(*numbered, tree, out / "reach.json", phase, limit)
            finally:
                trees.put(tree)

        yield from pool.map(one, faults)


def verdict(outcome: dict[str, Any]) -> str:
    """One line on a fault, of what the tests said of it."""
    if outcome.get("likely") or outcome.get(FAST):
        return f"caught by {outcome.get('likely') or outcome[FAST]}"
    if outcome.get(SLOW):
        return f"caught by the slow {outcome[SLOW]}"
    tried = [phase for phase in PHASES if phase in outcome]
    return "SURVIVED" if SLOW in tried else f"not seen yet by the tests: {', '.join(tried)}"


def is_settled(outcome: dict[str, Any]) -> bool:
    """Whether a test has seen a fault, or all of them have been tried."""
    return SLOW in outcome or seen_by(outcome) is not None


def summary(faults: list[Fault], verdicts: dict[str, dict[str, Any]]) -> str:
    """The counts over the faults that were tried."""
    done = [verdict(verdicts[fault.name]) for fault in faults if fault.name in verdicts]
    slow = sum(text.startswith("caught by the slow") for text in done)
    fast = sum(text.startswith("caught") for text in done) - slow
    left = len(done) - fast - slow
    return f"of {len(done)} faults {fast} are caught by `make fast`, {slow} more by `make test`; {left} survive"


def left_of(
    faults: list[tuple[int, Fault]], verdicts: dict[str, dict[str, Any]], phase: str
) -> list[tuple[int, Fault]]:  # fmt: skip
    """Of faults with their numbers those to try in a phase: that no earlier one has seen."""
    outcomes = [verdicts.get(fault.name, {}) for _, fault in faults]
    left = [phase not in outcome and seen_by(outcome) is None for outcome in outcomes]
    return [fault for fault, is_left in zip(faults, left, strict=True) if is_left]


def asked_for(faults: list[Fault], only: list[int] | None) -> list[tuple[int, Fault]]:
    """The faults to try, with their numbers: those of `only`, or all."""
    return [(number, faults[number]) for number in (range(len(faults)) if only is None else only)]


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--anew", action="store_true", help="forget the verdicts so far, and take the code as it is now"
    )
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many faults, {COUNT} at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="their numbers")
    parser.add_argument("--list", action="store_true", help="name the faults and stop")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--limit", type=float, default=600, help="processor seconds for the tests of `make fast`")
    parser.add_argument(
        "--fast", action="store_true", help="leave the slow tests out; what fast ones miss stays to be tried"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutations")
    return parser.parse_args()


def try_all(asked: argparse.Namespace, out: Path) -> None:
    """Try the faults that have no verdict yet, phase by phase, and keep what the tests say of each as it comes."""
    place = out / "outcomes.json"
    verdicts: dict[str, dict[str, Any]] = json.loads(place.read_text()) if place.exists() else {}
    faults = begin(out, asked.seed)[: asked.count]
    wanted = asked_for(faults, asked.only)
    for _, fault in wanted if asked.only is not None else ():
        verdicts.pop(fault.name, None)
    for phase in (p for p in PHASES if p != SLOW or not asked.fast):
        left = left_of(wanted, verdicts, phase)
        for number, fault, outcome in outcomes(left, out, phase, asked.jobs, asked.limit):
            verdicts[fault.name] = {**verdicts.get(fault.name, {}), **outcome}
            place.write_text(json.dumps(verdicts, indent=1))
            print(f"{number}: {fault.kind}, {outcome['seconds']:.0f} s: {verdict(verdicts[fault.name])}", flush=True)
            print(outcome["diff"], flush=True)
    if sum(is_settled(verdicts.get(fault.name, {})) for fault in faults) == COUNT:
        write_outcomes(faults, verdicts)
    print(summary(faults, verdicts))


def main() -> None:
    asked = arguments()
    if asked.list:
        for number, fault in enumerate(chosen(subjects(ROOT), ROOT, asked.count, asked.seed, EQUIVALENT)):
            print(f"{number}: {fault.name} (line {fault.line})")
        return
    out = asked.out.resolve()
    if asked.anew:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    try_all(asked, out)


if __name__ == "__main__":
    main()
