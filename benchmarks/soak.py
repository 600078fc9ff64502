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
    """The outcome of a soak.

    Attributes:
        wrong: how many of `calls` gave another result than one thread alone.
        before, after: bytes of memory after a fifth of the calls and at the end.
    """

    calls: int
    wrong: int
    before: int
    after: int
    seconds: float

    @property
    def growth(self) -> int:
        """How many bytes the memory grew after the first fifth of the calls."""
        return self.after - self.before


def memory() -> int:
    """The bytes of this process that are in the machine's memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def soak(model: Model, call: Call, calls: int = CALLS, threads: int = THREADS) -> Soaked:
    """Call a model from several threads, and compare every result with that of one thread alone.

    Memory is compared after the first fifth of the calls, when every thread has its arena.
    """
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
    """A small flow of 20 steps, compiled."""
    return _compiled("moons_flow", "sample", {"width": "32"}, folder)


def text(folder: Path) -> Model:
    """A small causal transformer, compiled, with its step file."""
    return _compiled("char_gpt", "generate", {"d": "32", "depth": "2", "heads": "2"}, folder)


def _compiled(name: str, which: str, sets: dict[str, str], folder: Path) -> Model:
    program = check(ROOT / "examples" / f"{name}.mai", sets).program
    assert program is not None
    weights, _ = load_weights(program, None)
    file = export(program, which, Trained(weights, tokenizer="bytes"), folder)
    export_step(program, which, Trained(weights, tokenizer="bytes"), folder)
    return load(file.path, providers="cpu", threads=1)


def sample(model: Model, kind: int) -> Any:
    """One batch of samples, its size and settings chosen by `kind`."""
    return model(batch=kind + 1, seed=kind, steps=3 + kind)


def write(model: Model, kind: int) -> Any:
    """Two texts by one call, their length and seed chosen by `kind`."""
    return model(prompt=["Once upon a time"[: kind + 3]] * 2, count=4 + kind, seed=kind)


def stream(model: Model, kind: int) -> Any:
    """One text token by token, its length and seed chosen by `kind`."""
    return "".join(model.stream("Once upon a time"[: kind + 3], count=4 + kind, seed=kind))


def main() -> None:
    """Soak a sampler, a text and a stream, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--threads", type=int, default=THREADS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for make, call in ((sampler, sample), (text, write), (text, stream)):
            done = soak(make(Path(scratch)), call, options.calls, options.threads)
            print(
                f"{call.__name__}: {done.calls:,} calls from {options.threads} threads, {done.wrong} wrong, memory "
                f"{done.before / 1e6:.0f} to {done.after / 1e6:.0f} MB, {done.calls / done.seconds:.0f} a second",
                flush=True,
            )


if __name__ == "__main__":
    main()
