"""The README's figures are those that the benchmarks wrote."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.readme import README, RESULTS, blocks, filled, update  # noqa: E402


def test_the_tables_are_those_of_the_results() -> None:
    text = README.read_text(encoding="utf-8")
    tables = {name: (RESULTS / f"{name}.md").read_text(encoding="utf-8") for name in blocks(text)}
    assert filled(text, tables) == text


def test_every_benchmark_of_the_makefile_has_its_table() -> None:
    commands = (ROOT / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^bench(?:-text)?:.*\n((?:\t.*\n)+)", commands, re.MULTILINE)
    named = {name for rule in rules for name in re.findall(r"benchmarks\.(\w+)", rule)}
    measured = {name for name in named if (RESULTS / f"{name}.md").exists()}
    assert {"sampler", "text"} <= measured <= set(blocks(README.read_text(encoding="utf-8")))


def test_a_table_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- bench: one -->\nold\n<!-- /bench -->\nb\n<!-- bench: two -->\nkept\n<!-- /bench -->\n")
    (tmp_path / "one.md").write_text("| new \\1 |\n\nOn one core of: a processor.\n")
    (tmp_path / "three.md").write_text("nowhere")
    update("one", "three", page=page, results=tmp_path)
    assert page.read_text() == (
        "a\n<!-- bench: one -->\n| new \\1 |\n\nOn one core of: a processor.\n<!-- /bench -->\nb\n"
        "<!-- bench: two -->\nkept\n<!-- /bench -->\n"
    )
