"""How many of thirty faults do the claims of the gallery see?

    python -m benchmarks.seeded              # all, into benchmarks/results/seeded.json, which docs/fidelity.md shows
    python -m benchmarks.seeded --only 3 17  # these, again

Each fault is put into a copy of the tree, which then compiles the claims of the examples anew, with weights that were trained
without it (`make gallery`), the quick ones first, until one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.fidelity.examples import claiming
from benchmarks.measure import RESULTS
from benchmarks.mutations.trial import copy_tree
from benchmarks.runs import ROOT
from benchmarks.seeded.faults import FAULTS, Fault

KEPT = RESULTS / "seeded.json"
FIRST = ("solvers", "attention_flow", "char_gpt", "normalizing_flow")
SLOW = ("resnet", "moons_flow", "diffusion", "score", "reflow")  # The last to be asked.
LIMIT = 900.0  # Seconds; what takes longer is as good as wrong.


def asked() -> list[str]:
    """The examples in the order in which their claims are computed."""
    between = [name for name in claiming() if name not in (*FIRST, *SLOW)]
    return [*FIRST, *between, *SLOW]


def first_failure(tree: Path) -> str | None:
    """The claim that fails first in a tree; None where all hold."""
    command = [sys.executable, "-m", "benchmarks.seeded.trial", str(tree), *asked()]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return "time"
    if done.returncode:
        return done.stderr.strip().splitlines()[-1].split(":")[0]
    return done.stdout.strip().splitlines()[-1].strip() or None if done.stdout.strip() else None


def tried(fault: Fault, tree: Path) -> str | None:
    """What sees a fault; the tree is as before afterwards."""
    place = tree / fault.path
    before, sown = place.read_text(encoding="utf-8"), fault.sown(tree)
    place.write_text(sown, encoding="utf-8")
    try:
        return first_failure(tree)
    finally:
        place.write_text(before, encoding="utf-8")


def last_outcomes(place: Path = KEPT) -> dict[str, str | None]:
    """By fault the claim that saw it last time, None where none did."""
    return dict(json.loads(place.read_text(encoding="utf-8"))) if place.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="*", help="their numbers")
    parser.add_argument("--out", type=Path, default=KEPT, help="where the outcomes are kept")
    asked_for = parser.parse_args()
    only, out = asked_for.only, asked_for.out
    with tempfile.TemporaryDirectory(prefix="mai-") as folder:
        tree = Path(folder)
        copy_tree(ROOT, tree)
        (tree / "runs").symlink_to(ROOT / "runs")
        if only is None and (failed := first_failure(tree)):
            raise SystemExit(f"without a fault, {failed} fails")
        for number in range(len(FAULTS)) if only is None else only:
            fault = FAULTS[number]
            by = tried(fault, tree)
            print(f"{number}: {fault.wrong}: {by or 'NOT SEEN'}", flush=True)
            seen = last_outcomes(out) | {fault.wrong: by}
            ordered = {f.wrong: seen[f.wrong] for f in FAULTS if f.wrong in seen}
            out.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    seen = last_outcomes(out)
    print(f"{sum(by is not None for by in seen.values())} of {len(seen)} are seen")


if __name__ == "__main__":
    main()
