"""Random programs beside their meaning in plain numpy, one example at a time; `python -m benchmarks.meanings` tries more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.meanings.__main__ import Trial, outcome
from benchmarks.meanings.losses import differentiated
from benchmarks.meanings.programs import FAR, program, tried

WRONG = ("WRONG", "refused")


@pytest.mark.parametrize("trial", [tried, differentiated])
@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 40), marks=pytest.mark.slow)], ids=["few", "more"])
def test_files_and_losses_compute_what_programs_mean(seeds: range, trial: Trial) -> None:
    outcomes = {seed: outcome(seed, trial) for seed in seeds}
    assert {seed: what for seed, what in outcomes.items() if what[0] in WRONG} == {}


def test_a_file_that_computes_something_else_is_seen() -> None:
    spec = program(12)
    other = replace(spec, result=spec.result.replace("tanh(", "sin("))
    assert other != spec and tried(spec, 12).error <= FAR < tried(other, 12).error
