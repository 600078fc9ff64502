"""The catalog of diagnostics: every slug with its entry, in groups, in the order of the page."""

from __future__ import annotations

from mai.spec.diagnostics.entries.entry import Entry
from mai.spec.diagnostics.entries.meaning import NAMES, SHAPES
from mai.spec.diagnostics.entries.program import PROGRAM
from mai.spec.diagnostics.entries.running import FILES, RUNNING
from mai.spec.diagnostics.entries.settings import SETTINGS, WEIGHTS
from mai.spec.diagnostics.entries.syntax import SYNTAX
from mai.spec.diagnostics.entries.warnings import WARNINGS

GROUPS: dict[str, dict[str, Entry]] = {
    "Files": FILES,
    "Syntax": SYNTAX,
    "Names and calls": NAMES,
    "Types and shapes": SHAPES,
    "Programs": PROGRAM,
    "Settings and data": SETTINGS,
    "Weights from files": WEIGHTS,
    "Compiling, training, running": RUNNING,
    "Warnings": WARNINGS,
}
CATALOG: dict[str, Entry] = {slug: entry for group in GROUPS.values() for slug, entry in group.items()}
