"""Train the twins, judge each and its spec by one figure, and keep both for the gallery and docs/papers.md.

python -m benchmarks.twins               all of them: three quarters of an hour, with the specs
python -m benchmarks.twins mean_flow papers/mamba     some of them; the others keep their figures
python -m benchmarks.twins --page        the page alone, of the last figures
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

from benchmarks.fidelity.claim import compiled, program_of, trained
from benchmarks.gallery.records import TWINS as KEPT
from benchmarks.gallery.records import records
from benchmarks.runs import ROOT
from benchmarks.twins import codes, consistency, equations, functions, generative, routed, series, texts
from benchmarks.twins.page import page
from benchmarks.twins.twin import Map, Twin

MODULES = (functions, generative, consistency, codes, equations, series, texts, routed)
TWINS: tuple[Twin, ...] = tuple(twin for module in MODULES for twin in module.TWINS)
PAGE = ROOT / "docs" / "papers.md"


def main(words: list[str]) -> int:
    wanted = [word for word in words if word != "--page"]
    unknown = sorted(set(wanted) - {twin.spec for twin in TWINS})
    if unknown:
        specs = ", ".join(dict.fromkeys(twin.spec for twin in TWINS))
        print(f"there is no twin {unknown[0]}; there are {specs}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    for twin in [] if "--page" in words else TWINS:
        if not wanted or twin.spec in wanted:
            record = measured(twin)
            KEPT.write_text(
                json.dumps(figures() | {twin.key: record}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
            )
            print(twin.key, record, flush=True)
    PAGE.write_text(page(TWINS, figures()), encoding="utf-8")
    return 0


def figures() -> dict[str, dict[str, Any]]:
    """The last figures of every twin."""
    return records(KEPT)


def measured(twin: Twin) -> dict[str, Any]:
    """What is measured, and the figures of the spec's file and of the twin, which took some seconds of a core to train."""
    begin = time.process_time()
    by_hand = twin.train()
    seconds = round(time.process_time() - begin)
    return {
        "spec": twin.spec,
        "says": twin.says,
        "mai": twin.figure(of_spec(twin)),
        "torch": twin.figure(by_hand),
        "seconds": seconds,
    }


def of_spec(twin: Twin) -> Map:
    """The export of a spec, trained as its twin is where no run has its weights."""
    program, weights = program_of(twin.path), None
    if program.trainings:
        program, weights = trained(twin.path, steps=twin.steps)
    return compiled(program, twin.export, weights)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
