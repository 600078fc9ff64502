"""Random programs beside their meaning in plain numpy, one example at a time; `python -m benchmarks.meanings` tries more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.meanings.__main__ import FAR, outcome
from benchmarks.meanings.programs import program, tried

WRONG = ("WRONG", "refused")


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 40), marks=pytest.mark.slow)], ids=["few", "more"])
def test_files_compute_what_programs_mean(seeds: range) -> None:
    told = {seed: outcome(seed) for seed in seeds}
    assert {seed: what for seed, what in told.items() if what[0] in WRONG} == {}


def test_a_file_that_computes_something_else_is_seen() -> None:
    made = program(38)
    assert "tanh(" in made.text and tried(made, 38).error <= FAR
    assert tried(replace(made, text=made.text.replace("tanh(", "sin(")), 38).error > FAR
