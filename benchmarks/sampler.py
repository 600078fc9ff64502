"""Sampling: one call of one ONNX file against a Python loop around the network in PyTorch, one thread each."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.rivals import NETWORKS, SOLVERS
from mai.compiler.check import check
from mai.compiler.onnx.export import export
from mai.compiler.training.weights import load_weights
from mai.runtime import load

SPECS = Path(__file__).parent / "specs"
SHAPES = {"mlp": (2,), "dit": (1, 8, 8), "unet": (3, 32, 32)}
# Network, solver, batch, steps, rounds, and the ratio to torch's eager loop to reach.
ROWS = [
    ("mlp", "euler", 4096, 20, 7, 1.98),
    ("mlp", "rk4", 4096, 20, 5, 1.72),
    ("mlp", "euler", 1, 20, 15, 6.9),
    ("dit", "euler", 64, 20, 5, 1.37),
    ("dit", "rk4", 64, 20, 3, 1.37),
    ("dit", "euler", 8, 20, 7, 1.74),
    ("dit", "euler", 1, 20, 15, 3.3),
    ("unet", "euler", 16, 4, 5, 1.38),
]


def compiled(network: str, solver: str, folder: Path) -> Path:
    program = check(SPECS / f"{network}.mai").program
    assert program is not None
    weights, _ = load_weights(program, None)
    return export(program, solver, weights, folder).path


def eager(network: str, solver: str, x: np.ndarray[Any, Any], steps: int, compile: bool) -> Callable[[], Any]:
    """The loop that a user runs today, around the network as it is or as `torch.compile` makes it."""
    model = NETWORKS[network]().eval()
    called: Any = torch.compile(model) if compile else model
    start = torch.from_numpy(x)

    def velocity(y: torch.Tensor, s: float) -> torch.Tensor:
        made: torch.Tensor = called(y, torch.full((len(y),), s))
        return made

    def run() -> Any:
        with torch.inference_mode():
            return SOLVERS[solver](velocity, start, steps).numpy()

    return run


def main(with_compile: bool) -> None:
    torch.set_num_threads(1)
    rows, figures = [], []
    with tempfile.TemporaryDirectory() as folder:
        for network, solver, batch, steps, rounds, floor in ROWS:
            path = compiled(network, solver, Path(folder))
            began = time.perf_counter()
            model = load(path, providers="cpu", threads=1)
            opened = time.perf_counter() - began
            x = np.random.default_rng(0).standard_normal((batch, *SHAPES[network])).astype(np.float32)
            variants: dict[str, Callable[[], Any]] = {
                "mai": lambda model=model, x=x, steps=steps: model(x=x, steps=steps),
                "eager": eager(network, solver, x, steps, compile=False),
            }
            if with_compile:
                variants["torch.compile"] = eager(network, solver, x, steps, compile=True)
            times = interleaved(variants, rounds)
            middle = medians(times)
            ratios = {rival: ratio(times, rival, "mai") for rival in variants if rival != "mai"}
            name = f"{network}, batch {batch}, {solver} × {steps}"
            shown = [f"{ratios[r]:.2f} ×" for r in ratios]
            rows.append([name, f"{1e3 * middle['mai']:.3g} ms", *shown, f"{floor} ×", f"{1e3 * opened:.0f} ms"])
            figures.append({"row": name, "seconds": middle, "ratios": ratios, "floor": floor, "session": opened})
    rivals = ["torch eager loop", *(["torch.compile"] if with_compile else [])]
    head = ["one call", "mai", *(f"against {r}" for r in rivals), "floor (eager)", "session opens in"]
    record("sampler", table(head, rows), figures)


if __name__ == "__main__":
    main("--compile" in sys.argv)
