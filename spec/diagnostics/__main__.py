"""Writes the page `spec/errors.md` from the catalog."""

from pathlib import Path

from mai.spec.diagnostics.explain import page

Path(__file__).resolve().parents[1].joinpath("errors.md").write_text(page(), encoding="utf-8")
