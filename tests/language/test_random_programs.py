"""Random programs beside their meaning in plain numpy, one example at a time; `python -m benchmarks.meanings` tries more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.meanings.__main__ import FAR, outcome
from benchmarks.meanings.programs import program, tried

WRONG = ("WRONG", "refused")


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 40), marks=pytest.mark.slow)], ids=["few", "more"])
def test_files_compute_what_programs_mean(seeds: range) -> None:
    outcomes = {seed: outcome(seed) for seed in seeds}
    assert {seed: what for seed, what in outcomes.items() if what[0] in WRONG} == {}


def test_a_file_that_computes_something_else_is_seen() -> None:
    spec = program(38)
    assert "tanh(" in spec.text and tried(spec, 38).error <= FAR
    assert tried(replace(spec, text=spec.text.replace("tanh(", "sin(")), 38).error > FAR
