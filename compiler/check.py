"""`mai check`: everything that can be said about a file without running it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mai.compiler.elaborate import elaborate
from mai.compiler.program import Program
from mai.spec.diagnostics import Diagnostic, Reporter

RECURSION_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking a file gave: its meaning, unless it has errors, and what there is to say."""

    program: Program | None
    diagnostics: list[Diagnostic]


def check(path: Path, sets: Mapping[str, str] | None = None) -> Checked:
    """Read, parse and elaborate a file. Never raises for what the file says."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    report = Reporter()
    program = elaborate(path, report, sets)
    return Checked(program, report.ordered())
