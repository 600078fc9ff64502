"""What `mai tune` finds for moons_flow: W2 to its data against evaluations of the velocity, for every method.

    python -m benchmarks.samplers.tuning [--samples 2000] [--plot curve.png]

The weights are those of the fidelity run, which trains once as the file stands. W2 is exact and of samples to as many fresh
points, on the same draws for all; the factor is to the spec's own rk4(20).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fidelity.claim import trained
from benchmarks.measure import record, table
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.tuning.picture import draw
from mai.compiler.tuning.search import Point
from mai.compiler.tuning.subject import METHODS
from mai.compiler.tuning.tune import Options, Outcome, tune

FACTOR = 1.02


def tuned(samples: int, seeds: int) -> Outcome:
    """What `mai tune` finds for moons_flow's `sample`; the file that it writes is thrown away."""
    program, weights = trained("moons_flow")
    arrays, _ = load_weights(program, weights)
    with tempfile.TemporaryDirectory() as folder:
        path = export(program, "sample", Trained(arrays), Path(folder)).path
        shutil.copy(weights, folder)
        return tune(path, path, Options(factor=FACTOR, samples=samples, seeds=seeds), _tell)


def _tell(point: Point, reference: Point) -> None:
    print(
        f"{point.plan!s:36} {point.plan.evaluations:3} {point.mean:.4f} {point.mean / reference.mean:.3f}", flush=True
    )


def summary(outcome: Outcome) -> Iterator[list[str]]:
    """For each method the cheapest plan of the curve that is within the factor, then the chosen plan."""
    reference = outcome.search.searched
    for method in METHODS:
        good = [p for p in _even(outcome) if p.plan.method == method and p.mean <= FACTOR * reference.mean]
        if good:
            yield _row(min(good, key=lambda p: p.plan.evaluations), reference)
    chosen = outcome.search.chosen
    if chosen is not None:
        row = _row(chosen, outcome.search.reference)
        yield [f"**chosen: {row[0]}**, on seeds of its own", *row[1:]]


def _even(outcome: Outcome) -> list[Point]:
    even = [p for p in outcome.search.curve if p.plan.plain]
    return sorted(even, key=lambda p: (METHODS.index(p.plan.method), p.plan.steps))


def _row(point: Point, reference: Point) -> list[str]:
    times = f"{point.mean / reference.mean:.3f} ± {point.spread(reference):.3f}"
    return [str(point.plan), str(point.plan.evaluations), f"{point.mean:.4f}", times]


def main() -> None:
    """Measure, print and record the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    outcome = tuned(options.samples, options.seeds)
    if options.plot:
        draw(outcome, options.plot, "moons_flow")
    head = ["fewest within 1.02", "evaluations", "W2", "to rk4(20)'s"]
    curve = table(["plan", *head[1:]], [_row(p, outcome.search.searched) for p in _even(outcome)])
    text = f"{table(head, list(summary(outcome)))}\n\nThe curve, on even steps ({options.seeds} × {options.samples:,} samples):\n\n{curve}"
    record("tuning", text, {"samples": options.samples, "tuned": outcome.tuned.model_dump()})


if __name__ == "__main__":
    main()
