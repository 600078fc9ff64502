"""The mistakes that `python -m benchmarks.seeded` sows into solvers and passes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.seeded.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.wrong)
def test_a_fault_can_be_sown(fault: Fault) -> None:
    """Its text stands once in today's sources, and what comes of it is Python, and other Python."""
    sown = ast.dump(ast.parse(fault.sown(ROOT)))
    assert sown != ast.dump(ast.parse((ROOT / fault.path).read_text(encoding="utf-8")))
