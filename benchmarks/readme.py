"""The tables of the pages are those of `results/`, between two marks each:

<!-- bench: NAME -->
what results/NAME.md holds
<!-- /bench -->

python -m benchmarks.readme     put all of them in again
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.summary import SUMMARY, summary

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")
BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def blocks(text: str) -> list[str]:
    """The names of the tables that a text has a place for."""
    return [found[2] for found in BLOCK.finditer(text)]


def tables(names: list[str], results: Path = RESULTS) -> dict[str, str]:
    """What was measured, by name; the summary is made of the others."""
    return {
        name: summary(results) if name == SUMMARY else (results / f"{name}.md").read_text(encoding="utf-8")
        for name in names
    }


def filled(text: str, tables: dict[str, str]) -> str:
    """A text with the tables in their places; a place whose table is not among them stays as it is."""

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}{tables[found[2]].strip()}\n{found[3]}" if found[2] in tables else found[0]

    return BLOCK.sub(fill, text)


def update(pages: tuple[Path, ...] = PAGES, results: Path = RESULTS) -> None:
    """Put what was measured into the pages."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        page.write_text(filled(text, tables(blocks(text), results)), encoding="utf-8")


if __name__ == "__main__":
    update()
