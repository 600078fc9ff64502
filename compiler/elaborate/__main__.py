"""`python -m mai.compiler.elaborate` writes `spec/functions.md`, the list of all functions and standard layers, anew."""

from __future__ import annotations

from pathlib import Path

import mai.spec
from mai.compiler.elaborate.function_reference import listing

if __name__ == "__main__":
    (Path(mai.spec.__path__[0]) / "functions.md").write_text(listing(), encoding="utf-8")
