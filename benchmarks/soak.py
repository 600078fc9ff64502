"""A soak: many calls from many threads on one loaded model, with the same results and flat memory.

`python -m benchmarks.soak` makes 10,000 calls from 8 threads for each of a sampler, a text and a stream.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import Model, load

ROOT = Path(__file__).parents[1]
CALLS, THREADS, WARM, KINDS = 10_000, 8, 0.2, 7
Call = Callable[[Model, int], Any]


@dataclass(frozen=True, slots=True)
class Soaked:
    """`wrong` calls of `calls` gave something else than one thread did; memory in bytes after a fifth and at the end."""

    calls: int
    wrong: int
    before: int
    after: int
    seconds: float

    @property
    def growth(self) -> int:
        return self.after - self.before


def memory() -> int:
    """What this process holds in memory, in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def soak(model: Model, call: Call, calls: int = CALLS, threads: int = THREADS) -> Soaked:
    """Compare every call with what one thread gave alone; memory counts once the threads have their arenas."""
    alone = [call(model, kind) for kind in range(KINDS)]
    order = [random.Random(i).randrange(KINDS) for i in range(calls)]

    def wrong(kind: int) -> bool:
        return not np.array_equal(call(model, kind), alone[kind])

    began, warm = time.perf_counter(), int(calls * WARM)
    with ThreadPoolExecutor(threads) as pool:
        bad = sum(pool.map(wrong, order[:warm]))
        before = memory()
        bad += sum(pool.map(wrong, order[warm:]))
        after = memory()
    return Soaked(calls, bad, before, after, time.perf_counter() - began)


def sampler(folder: Path) -> Model:
    """A small flow of 20 steps."""
    return _compiled("moons_flow", "sample", {"width": "32"}, folder)


def text(folder: Path) -> Model:
    """A small causal transformer, with its step file."""
    return _compiled("char_gpt", "generate", {"d": "32", "depth": "2", "heads": "2"}, folder)


def _compiled(name: str, which: str, sets: dict[str, str], folder: Path) -> Model:
    program = check(ROOT / "examples" / f"{name}.mai", sets).program
    assert program is not None
    weights, _ = load_weights(program, None)
    made = export(program, which, Trained(weights, tokenizer="bytes"), folder)
    export_step(program, which, Trained(weights, tokenizer="bytes"), folder)
    return load(made.path, providers="cpu", threads=1)


def sample(model: Model, kind: int) -> Any:
    return model(batch=kind + 1, seed=kind, steps=3 + kind)


def write(model: Model, kind: int) -> Any:
    return model(prompt=["Once upon a time"[: kind + 3]] * 2, count=4 + kind, seed=kind)


def stream(model: Model, kind: int) -> Any:
    return "".join(model.stream("Once upon a time"[: kind + 3], count=4 + kind, seed=kind))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--threads", type=int, default=THREADS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for make, call in ((sampler, sample), (text, write), (text, stream)):
            done = soak(make(Path(scratch)), call, given.calls, given.threads)
            print(
                f"{call.__name__}: {done.calls:,} calls from {given.threads} threads, {done.wrong} wrong, memory "
                f"{done.before / 1e6:.0f} to {done.after / 1e6:.0f} MB, {done.calls / done.seconds:.0f} a second",
                flush=True,
            )


if __name__ == "__main__":
    main()
