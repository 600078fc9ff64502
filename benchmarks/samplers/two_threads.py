"""Sampling with two threads, and the memory of a call: one call of one ONNX file against torch's eager loop.

    python -m benchmarks.samplers.two_threads [mlp] [dit] [unet]

Times are of the clock, so nothing else may run. Memory is the peak of a process that makes some calls, above what it had before them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.measure import interleaved, medians, ratio, record, seconds, table
from benchmarks.samplers.sampler import SHAPES, Run, compiled, eager, program_of
from mai.runtime import load

THREADS, CALLS = 2, 3
RESET_PEAK = "5"  # What `/proc/self/clear_refs` takes to forget the peak so far.
RIVAL = "torch eager loop"


class Row(NamedTuple):
    """A network's spec, its batch, its steps by Euler, and how often it is measured."""

    network: str
    batch: int
    steps: int
    rounds: int


ROWS = (Row("mlp", 4096, 20, 5), Row("dit", 64, 20, 3), Row("dit", 1, 20, 15), Row("unet", 16, 4, 5))


def call(row: Row, file: Path | None, threads: int) -> Run:
    """A call of a file, or torch's loop where there is none."""
    x = np.random.default_rng(0).standard_normal((row.batch, *SHAPES[row.network])).astype(np.float32)
    if file is None:
        torch.set_num_threads(threads)
        return eager(row.network, "euler", x, row.steps)
    model = load(file, providers="cpu", threads=threads)
    return lambda: model(x=x, steps=row.steps)


def peak(row: Row, file: Path | None) -> int:
    """The bytes that calls take at their peak, of a process of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_here, (row, file))


def _peak_here(row: Row, file: Path | None) -> int:
    run = call(row, file, THREADS)
    Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="ascii")
    before = _status("VmRSS")
    for _ in range(CALLS):
        run()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    """A figure of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def measured(row: Row, folder: Path) -> dict[str, Any]:
    """The figures of one row: seconds a call, ratios to one thread and to the rival, bytes at the peak."""
    file = compiled(program_of(row.network), "euler", folder)
    runs = {"mai": call(row, file, THREADS), "mai, one thread": call(row, file, 1), RIVAL: call(row, None, THREADS)}
    times = interleaved(runs, row.rounds)
    return {
        "row": f"{row.network}, batch {row.batch}, euler × {row.steps}",
        "seconds": medians(times),
        "ratios": {other: ratio(times, other, "mai") for other in runs if other != "mai"},
        "bytes": {"mai": peak(row, file), RIVAL: peak(row, None)},
    }


def shown(figure: dict[str, Any]) -> list[str]:
    """A row of the table."""
    ratios = [f"{r:.2f} ×" for r in figure["ratios"].values()]
    memory = [f"{n / 2**20:.0f} MiB" for n in figure["bytes"].values()]
    return [figure["row"], seconds(figure["seconds"]["mai"]), *ratios, *memory]


def main() -> None:
    """Measure, print and record the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help=f"some of {', '.join(SHAPES)}; all of them if none is named")
    only = parser.parse_args().networks
    with tempfile.TemporaryDirectory() as folder:
        figures = [measured(row, Path(folder)) for row in ROWS if not only or row.network in only]
    head = ["two threads", "mai", "as fast as one", f"against {RIVAL}", "memory of calls", f"of {RIVAL}"]
    text = table(head, [shown(f) for f in figures])
    if only:
        print(text)
    else:
        record("two_threads", text, figures, where="2 cores of")


if __name__ == "__main__":
    main()
