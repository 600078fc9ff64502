"""Timing in turns: variants are interleaved, so that a drift of the machine's speed hits all of them alike."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import readme
from benchmarks.readme import RESULTS

TURN = 0.02


def interleaved(
    variants: Mapping[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Time variants in turns, after one round to warm up.

    A short call is repeated until its turn has lasted `TURN` seconds, so that it is measured as it runs in a row and not with
    the caches that its rival left.

    Returns:
        By variant the seconds of one call, for every round.
    """
    repeats = {name: _repeats(run) for name, run in variants.items()}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            began = clock()
            for _ in range(repeats[name]):
                run()
            times[name].append((clock() - began) / repeats[name])
    return times


def _repeats(run: Callable[[], Any]) -> int:
    """How many calls fill a turn of `TURN` seconds; the first call warms up."""
    run()
    began = time.perf_counter()
    run()
    return max(1, round(TURN / (time.perf_counter() - began)))


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each variant's times, in seconds."""
    return {name: statistics.median(rounds) for name, rounds in times.items()}


def ratio(times: Mapping[str, Sequence[float]], rival: str, ours: str) -> float:
    """How many times as fast as the rival ours is: the median of the ratio over the rounds."""
    return statistics.median(a / b for a, b in zip(times[rival], times[ours], strict=True))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def seconds(duration: float) -> str:
    """A time as a table shows it, in seconds or milliseconds."""
    return f"{duration:.2f} s" if duration >= 1 else f"{1e3 * duration:.3g} ms"


def processor() -> str:
    """The name of the processor, as the operating system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def record(name: str, text: str, figures: Any, where: str = "one core of") -> None:
    """Print a table, keep it and its figures under `results/`, and put it into the pages.

    Args:
        name: of the benchmark.
        figures: what the table was made from, for JSON.
        where: what the processor's name follows: how many cores were used, or what else stands beside it.
    """
    print(text, flush=True)
    RESULTS.mkdir(exist_ok=True)
    result = {"processor": processor(), "python": platform.python_version(), "figures": figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(f"{text}\n\nOn {where}: {processor()}.\n", encoding="utf-8")
    readme.update()
