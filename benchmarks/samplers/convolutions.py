"""Convolutions in 8 bits: files by `--quantize int8` against the same in float32, and against eager torch, one thread each.

    python -m benchmarks.samplers.convolutions [unet] [digits_unet] [latent_flow] [cnn] [resnet18]

Weights are first values, so the distance is that of rounding alone. The U-Net's rival is written by hand (`rivals.py`); that of the others is
the spec in torch, as it trains. What is counted are seconds of the processor, which for one thread are those of the clock on a machine
with nothing beside.
"""

from __future__ import annotations

import os

from mai.runtime.arrays import Array

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import interleaved, medians, ratio, record, seconds, table
from benchmarks.samplers.sampler import INT8, SPECS, Run, eager
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.comparing.trial import Trial, trial
from mai.compiler.onnx.export import export
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.onnx.turns.turns import torch_reference
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

EXAMPLES = Path(__file__).parents[2] / "examples"
# The spec, its export, constants, the batch, settings, and the ratio to eager torch to reach.
ROWS: list[tuple[Path, str, dict[str, str], int, dict[str, int], float]] = [
    (SPECS / "unet.mai", "euler", {}, 16, {"steps": 4}, 3.3),
    (SPECS / "unet.mai", "euler", {}, 1, {"steps": 4}, 3.3),
    (EXAMPLES / "digits_unet.mai", "sample", {}, 64, {"steps": 5, "seed": 1}, 2.5),
    (EXAMPLES / "papers" / "latent_flow.mai", "sample", {}, 64, {"steps": 5, "seed": 1}, 1.0),
    (EXAMPLES / "cnn.mai", "classify", {}, 64, {}, 2.0),
    (EXAMPLES / "zoo" / "resnet18.mai", "classify", {"size": "224"}, 4, {}, 2.0),
]
ROUNDS = 7


def program_of(path: Path, sets: dict[str, str]) -> Program:
    """The program of a spec, with its first values where it names a file of weights."""
    program = check(path, sets).program
    assert program is not None
    return program


def reference(program: Program, name: str, weights: Any, tried: Trial) -> Run:
    """The rival: eager torch."""
    computed = torch_reference(prepare_export(program, name).plain, weights)
    return lambda: computed(tried)


def measured(row: tuple[Path, str, dict[str, str], int, dict[str, int], float], folder: Path) -> dict[str, Any]:
    """The figures of one row."""
    path, name, sets, batch, settings, floor = row
    program = program_of(path, sets)
    weights = first_values(program)
    tried = trial(prepare_export(program, name).plain, batch)
    tried.settings.update(settings)
    calls: dict[str, Callable[..., Any]] = {}
    for form, options in {"float32": CompileOptions(), "int8": CompileOptions(quantize=INT8)}.items():
        file = export(program, name, Trained(weights), folder / form, options).path
        calls[form] = load(file, providers="cpu", threads=1)
    inputs = {**tried.inputs, **settings}
    results: dict[str, Array] = {form: call(**inputs) for form, call in calls.items()}
    runs: dict[str, Run] = {form: lambda call=call: call(**inputs) for form, call in calls.items()}
    if path.stem == "unet":
        runs["eager"] = eager("unet", name, tried.inputs["x"], settings["steps"])
    else:
        runs["eager"] = reference(program, name, weights, tried)
    times = interleaved(runs, ROUNDS, time.process_time)
    apart = np.linalg.norm(results["int8"] - results["float32"]) / np.linalg.norm(results["float32"])
    return {
        "row": f"{path.stem}, batch {batch}" + (f", {settings['steps']} steps" if "steps" in settings else ""),
        "seconds": medians(times),
        "ratios": {rival: ratio(times, rival, "int8") for rival in ("float32", "eager")},
        "floor": floor,
        "apart": float(apart),
    }


def first_values(program: Program) -> dict[str, Array]:
    """Weights by name: a program that names a file of them has random ones of the usual size."""
    if program.loading is None:
        return dict(load_weights(program, None)[0])
    random = np.random.default_rng(0)
    return {name: _drawn(name, w.shape, random) for name, w in program.weights.items()}


def _drawn(name: str, shape: Any, random: np.random.Generator) -> Array:
    sizes = tuple(map(int, shape))
    if len(sizes) < 2:
        return (np.zeros if name.endswith(("bias", "mean")) else np.ones)(sizes, np.float32)
    drawn: Array = random.normal(0, (2 / np.prod(sizes[1:])) ** 0.5, sizes).astype(np.float32)
    return drawn


def main() -> None:
    """Measure, print and record the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*")
    only = parser.parse_args().only
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            if not only or row[0].stem in only:
                figures.append(measured(row, Path(folder)))
                print(figures[-1], flush=True)
    rows = [
        [f["row"], seconds(f["seconds"]["int8"]), *(f"{f['ratios'][r]:.2f} ×" for r in ("float32", "eager")),
         f"{f['floor']} ×", f"{f['apart']:.1%}"]
        for f in figures
    ]  # fmt: skip
    head = ["int8", "a call", "to the float32 file", "to eager torch", "goal", "distance from float32"]
    if not only:
        record("convolutions", table(head, rows), figures)


if __name__ == "__main__":
    main()
