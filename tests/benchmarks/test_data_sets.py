"""The specs of public data sets: each is sound, and short."""

from __future__ import annotations

from pathlib import Path

import pytest

from mai.compiler.check import check

SPECS = sorted((Path(__file__).parents[2] / "benchmarks" / "data_sets" / "specs").glob("*.mai"))


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_a_spec_is_sound_and_short(spec: Path) -> None:
    assert check(spec).diagnostics == []
    assert len(spec.read_text().splitlines()) <= 30
