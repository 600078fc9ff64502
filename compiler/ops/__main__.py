"""`python -m mai.compiler.ops` writes `ops.md`, the list of all operations, anew."""

from __future__ import annotations

from pathlib import Path

from mai.compiler.ops.operation_reference import listing

if __name__ == "__main__":
    (Path(__file__).parent / "ops.md").write_text(listing(), encoding="utf-8")
