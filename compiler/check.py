"""`mai check`: everything that can be said about a file without running it."""

from __future__ import annotations

import sys
import traceback
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


def internal(error: Exception) -> Diagnostic:
    """A bug of mai, told as one: with its place in mai, and without a traceback."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"mai itself failed: {type(error).__name__} at {place}: {error}"
    return Diagnostic("internal", None, message, help="this is a bug of mai: please report it with the file")


def check(path: Path, sets: Mapping[str, str] | None = None) -> Checked:
    """Read, parse and elaborate a file. Never raises for what the file says."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    report = Reporter()
    try:
        program = elaborate(path, report, sets)
    except Exception as error:
        report.add(internal(error))
        return Checked(None, report.ordered())
    return Checked(program, report.ordered())
