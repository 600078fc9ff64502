"""What the commands of the gallery and of the twins have left, as JSON. It needs nothing that is installed: the site reads it, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.readme import RESULTS, ROOT

Records = dict[str, dict[str, Any]]
# By picture: the commands that made it, and how long the spec was trained.
PICTURES = ROOT / "examples" / "pictures" / "made.json"
# By spec and export: its figure, and that of the same by hand.
TWINS = RESULTS / "twins.json"


def records(file: Path) -> Records:
    """All records of a file; none where it is not there yet."""
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def twins_by_spec() -> Records:
    """What `python -m benchmarks.twins` has measured, by the spec."""
    return {record["spec"]: record for record in records(TWINS).values()}
