"""The faults of the mutation test, and the probes that say which tests reach them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.mutations.faults import chosen, faults_of
from benchmarks.mutations.probes import REACHED, probed

CODE = """
def count(words, least=1):
    total = 0
    if any(len(word) > least
           for word in words):
        total += sum(len(word) for word in words if word != "no")
    else:
        total -= 2
    held = [0]
    held[0] = total
    return held[0] * 3 - 1
"""


def run(raw: bytes) -> tuple[Any, set[int]]:
    """What the code computes, and which probes it reaches after it was imported."""
    names: dict[str, Any] = {}
    exec(raw.decode(), names)
    sys.__dict__[REACHED] = set()
    return names["count"](["yes", "no"]), sys.__dict__[REACHED]


def test_probes_change_nothing_and_say_what_was_reached(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(CODE, encoding="utf-8")
    faults = faults_of(path, tmp_path)
    raw = path.read_bytes()
    value, reached = run(probed(raw, list(enumerate(faults))))
    assert value == run(raw)[0] == 8
    missed = {fault.line for number, fault in enumerate(faults) if number not in reached}
    assert missed == {2, 8}  # what is computed at import, and the other branch


def test_a_fault_changes_what_is_computed(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(CODE, encoding="utf-8")
    (fault,) = (f for f in faults_of(path, tmp_path) if f.before == "held[0] * 3 - 1")
    assert run(fault.applied(path.read_bytes()))[0] == 10


def test_others_take_the_places_of_faults_that_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(CODE, encoding="utf-8")
    faults = chosen([path], tmp_path, 12, 1)
    nothing = faults[2].name
    left = [fault for fault in faults if fault.name != nothing]
    assert chosen([path], tmp_path, 8, 1, {nothing}) == left[:8] != faults[:8]
