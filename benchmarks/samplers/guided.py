"""Classifier-free guidance: a sampler in one ONNX file, its two branches one by one and as one batch, against eager loops.

    python -m benchmarks.samplers.guided [mlp] [dit] [unet] [--batches 1,8,64]

One thread each. The two rivals are what a user runs today: two calls a step, or one on a batch twice as large.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.rivals import NETWORKS, euler
from benchmarks.samplers.sampler import SHAPES, SPECS, Array, Run
from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

NONE, GUIDANCE = 10, 2.0
# Network, the size of its patches, steps.
ROWS: list[tuple[str, dict[str, int], int]] = [
    ("mlp", {}, 20),
    ("dit", {"a": 4, "b": 4}, 5),
    ("dit", {"a": 2, "b": 4}, 5),
    ("dit", {}, 5),
    ("unet", {}, 1),
]
ROUNDS, FEWEST = 15, 5  # For one example, and for large batches.
# The rule of `passes/pair.py` as it is, never, and always.
RULES = {"mai": None, "each branch by itself": -1.0, "both as one": float("inf")}


@contextmanager
def rule(most: float | None) -> Iterator[None]:
    """While files are compiled, let branches become one batch where an example uses a weight at most `most` times."""
    pairing = importlib.import_module("mai.compiler.passes.branches.pair")
    usual = pairing.MOST_USES
    pairing.MOST_USES = usual if most is None else most
    yield
    pairing.MOST_USES = usual


def compiled(network: str, sets: dict[str, int], x: Array, y: Array, steps: int) -> dict[str, Run]:
    """For each rule, a call of the file that it compiles."""
    program = check(SPECS / f"guided_{network}.mai", {k: str(v) for k, v in sets.items()}).program
    assert program is not None
    weights, _ = load_weights(program, None)
    runs: dict[str, Run] = {}
    for name, most in RULES.items():
        with rule(most), tempfile.TemporaryDirectory() as folder:
            model = load(export(program, "guided", Trained(weights), Path(folder)).path, providers="cpu", threads=1)
        runs[name] = lambda model=model: model(x=x, y=y, steps=steps, guidance=GUIDANCE)
    return runs


def eager(network: str, sets: dict[str, int], x: Array, y: Array, steps: int) -> dict[str, Run]:
    """The loops that a user runs today: two calls of the network a step, and one on both batches side by side."""
    called = NETWORKS[network](classes=NONE + 1, **sets).eval()
    start, label = torch.from_numpy(x), torch.from_numpy(y)
    none = torch.full_like(label, NONE)
    both = torch.cat([none, label])

    def twice(z: torch.Tensor, s: float) -> torch.Tensor:
        time = torch.full((len(z),), s)
        free = called(z, time, none)
        slope: torch.Tensor = free + GUIDANCE * (called(z, time, label) - free)
        return slope

    def once(z: torch.Tensor, s: float) -> torch.Tensor:
        free, labelled = called(torch.cat([z, z]), torch.full((2 * len(z),), s), both).chunk(2)
        slope: torch.Tensor = free + GUIDANCE * (labelled - free)
        return slope

    def run(velocity: object) -> Run:
        def sampled() -> Array:
            with torch.inference_mode():
                sample: Array = euler(velocity, start, steps).numpy()  # type: ignore[arg-type]
            return sample

        return sampled

    return {"eager, two calls": run(twice), "eager, one batch": run(once)}


def main(options: argparse.Namespace) -> None:
    """Measure, print and record the table."""
    torch.set_num_threads(1)
    rows, figures, rivals = [], [], [*list(RULES)[1:], "eager, two calls", "eager, one batch"]
    for network, sets, steps in ROWS:
        if options.networks and network not in options.networks:
            continue
        for batch in map(int, options.batches.split(",")):
            generator = np.random.default_rng(0)
            x = generator.standard_normal((batch, *SHAPES[network])).astype(np.float32)
            y = generator.integers(0, NONE, batch)
            runs = {**compiled(network, sets, x, y, steps), **eager(network, sets, x, y, steps)}
            times = interleaved(runs, max(FEWEST, ROUNDS - batch // 2))
            middle, ratios = medians(times), {rival: ratio(times, rival, "mai") for rival in rivals}
            tokens = f", {64 // (sets.get('a', 2) * sets.get('b', 2))} tokens" if network == "dit" else ""
            name = f"{network}{tokens}, batch {batch}, euler × {steps}"
            rows.append([name, f"{1e3 * middle['mai']:.3g} ms", *(f"{r:.2f} ×" for r in ratios.values())])
            figures.append({"row": name, "seconds": middle, "ratios": ratios})
            print(*rows[-1], sep="  ", flush=True)
    head = ["one call, with guidance", "mai", *(f"against {r}" for r in rivals)]
    if options.networks or options.batches != BATCHES:
        print(table(head, rows))
    else:
        record("guided", table(head, rows), figures)


BATCHES = "1,8,64"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Guidance: one ONNX file, its branches apart and as one, against eager loops."
    )
    parser.add_argument("networks", nargs="*", help="some of mlp, dit, unet; all of them if none is named")
    parser.add_argument("--batches", default=BATCHES, help="how many examples, with commas between")
    main(parser.parse_args())
