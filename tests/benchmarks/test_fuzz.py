"""Broken files: no traceback and no hang, whatever they say. `python -m benchmarks.fuzz` tries a million."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks.fuzz.mutate import generator
from benchmarks.fuzz.subjects import SUBJECTS
from benchmarks.fuzz.trial import LIMIT, minimised
from mai.compiler.check import check

SHARE = int(os.environ.get("MAI_FUZZ", "400"))
PARTS = 4


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", SUBJECTS)
def test_mutations_never_crash_or_hang(kind: str, part: int, tmp_path: Path) -> None:
    subject = SUBJECTS[kind]
    for number in range(part, SHARE, PARTS):
        raw = subject.make(generator(1, number))
        trial = subject.trial(raw, tmp_path / f"fuzz{subject.suffix}", 6 * LIMIT)
        assert trial.failure is None, (number, raw[:2000])


def test_a_mutation_is_a_function_of_the_seed_and_its_number() -> None:
    make = SUBJECTS["specs"].make
    assert make(generator(1, 7)) == make(generator(1, 7))
    assert len({make(generator(seed, 7)) for seed in range(5)}) == 5


def test_a_failure_is_made_small() -> None:
    raw = bytes(range(256)) * 4
    assert minimised(raw, lambda tried: b"\x07" in tried and b"\xf0" in tried) == b"\x07\xf0"


@pytest.mark.parametrize(
    "text",
    [
        "const d = 10^12\nnet f(x: [d]) -> [d] { return x }\n",
        "export f(x: [2]) -> [2] {\n  repeat 10^9 { x = linear(x, 2) }\n  return x\n}\n",
        "const a = 9^9^9^9\n",
        "net f(x: [2]) -> [2] { return " + "relu(" * 60 + "x" + ")" * 60 + " }\n",
        "const c = " + "(" * 10_000 + ")" * 10_000,
        "\n" * 50_000 + "x",
        "net f(x: [0]) -> [0] { return rotate(zeros([3, 0]), 2) |> relu }\n",
        "net f(x: [2]) -> [2] {\n" + "  x += 1\n" * 3_000 + "  return x\n}\n",
    ],
)
def test_extremes_are_told_in_bounded_time(text: str, tmp_path: Path) -> None:
    path = tmp_path / "extreme.mai"
    path.write_text(text)
    began = time.monotonic()
    assert "internal" not in {d.slug for d in check(path).diagnostics}
    assert time.monotonic() - began < 10
