"""The version stands in `mai.__version__`. Files that other programs read cannot ask there, so each repeats it: all say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mai

ROOT = Path(__file__).parents[1]
VERSION = r"(\d+\.\d+\.\d+\S*?)"
# The file, and what stands around the version there.
PLACES = (
    ("CITATION.cff", rf"^version: {VERSION}$"),
    ("conda/recipe.yaml", rf'^  version: "{VERSION}"$'),
    ("compiler/editor/vscode/package.json", rf'^  "version": "{VERSION}",$'),
    ("docs/editor.md", rf"^ +rev: v{VERSION}$"),
    ("docs/editor.md", rf"actions/check@v{VERSION}`"),
)


@pytest.mark.parametrize(("name", "pattern"), PLACES)
def test_every_file_names_this_version(name: str, pattern: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(pattern, text, re.MULTILINE) == [mai.__version__]


def test_the_newest_changes_are_of_this_version() -> None:
    headings = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == mai.__version__ and len(headings) == len(set(headings)) > 1
