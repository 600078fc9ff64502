"""Timing in turns: variants are interleaved, so that a drift of the machine's speed hits all of them alike."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def interleaved(variants: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of every round of every variant."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(rounds + warmup):
        for name, run in variants.items():
            began = time.perf_counter()
            run()
            if turn >= warmup:
                times[name].append(time.perf_counter() - began)
    return times


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(held) for name, held in times.items()}


def ratio(times: Mapping[str, Sequence[float]], rival: str, ours: str) -> float:
    """How many times as fast as the rival, the median over the rounds' own ratios."""
    return statistics.median(a / b for a, b in zip(times[rival], times[ours], strict=True))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def record(name: str, text: str, figures: Any, where: str = "one core of") -> None:
    """Print a table and keep it under `results/`, with the processor on `where` of which it was measured."""
    print(text, flush=True)
    RESULTS.mkdir(exist_ok=True)
    held = {"processor": processor(), "python": platform.python_version(), "figures": figures}
    (RESULTS / f"{name}.json").write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(f"{text}\n\nOn {where}: {processor()}.\n", encoding="utf-8")
