"""The tables of `docs/benchmarks.md` are those of `results/`, between two marks each:

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
PAGES = (ROOT / "docs" / "benchmarks.md",)
BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def blocks(text: str) -> list[str]:
    """The names of the tables that a page has places for."""
    return [place[2] for place in BLOCK.finditer(text)]


def tables(names: list[str], results: Path = RESULTS) -> dict[str, str]:
    """The tables by name: what the benchmarks wrote, and the summary made of it."""
    return {
        name: summary(results) if name == SUMMARY else (results / f"{name}.md").read_text(encoding="utf-8")
        for name in names
    }


def filled(text: str, tables: dict[str, str]) -> str:
    """The text of a page with tables in their places; a place whose table is not given stays as it is."""

    def fill(place: re.Match[str]) -> str:
        return f"{place[1]}{tables[place[2]].strip()}\n{place[3]}" if place[2] in tables else place[0]

    return BLOCK.sub(fill, text)


def update(pages: tuple[Path, ...] = PAGES, results: Path = RESULTS) -> None:
    """Put the newest tables into the pages."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        page.write_text(filled(text, tables(blocks(text), results)), encoding="utf-8")


if __name__ == "__main__":
    update()
