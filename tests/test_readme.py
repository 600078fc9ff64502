"""The README is short, and the figures of the page of benchmarks are those that the benchmarks wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.readme import PAGES, RESULTS, blocks, filled, tables, update
from benchmarks.summary import FIGURES

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_are_those_of_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text, tables(blocks(text))) == text


def test_the_readme_is_read_in_a_few_minutes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    moving = ROOT / "examples" / "pictures" / "moons_flow.gif"
    assert "(examples/pictures/moons_flow.gif)" in text and moving.stat().st_size < 500_000


def test_every_benchmark_of_the_makefile_has_its_table() -> None:
    commands = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^bench(?:-text)?:.*\n((?:\t.*\n)+)", commands, re.MULTILINE)
    named = {name for rule in rules for name in re.findall(r"benchmarks\.(?:\w+\.)?(\w+)", rule)}
    measured = {name for name in named if (RESULTS / f"{name}.md").exists()}
    shown = {name for page in PAGES for name in blocks(page.read_text(encoding="utf-8"))}
    assert {"sampler", "text", *(f.benchmark for f in FIGURES)} <= measured <= shown


def test_a_table_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- bench: one -->\nold\n<!-- /bench -->\nb\n")
    (tmp_path / "one.md").write_text("| new \\1 |\n\nOn one core of: a processor.\n")
    update((page,), results=tmp_path)
    assert page.read_text() == (
        "a\n<!-- bench: one -->\n| new \\1 |\n\nOn one core of: a processor.\n<!-- /bench -->\nb\n"
    )
