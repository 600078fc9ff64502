"""The code of the pages runs: their specs are files, their commands train a few steps, their Python is executed, in the order of the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.site.code import commands, pictures, pieces, with_changes_marked
from tests.support.command import invoke

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "learn.md", ROOT / "docs" / "newcomer.md", *sorted((ROOT / "docs" / "guides").glob("*.md")))
FEW = {"train": ("--steps", "3", "--quiet")}  # what is added to a command, so that a page takes seconds


def write_passengers(path: Path) -> None:
    """A table such as the page of tables speaks of: the reader's own."""
    rows = (f"{i % 3 + 1},{'female' if i % 2 else 'male'},{i % 70},{'yes' if i % 2 else 'no'}" for i in range(300))
    path.write_text("class,sex,age,survived\n" + "\n".join(rows) + "\n", encoding="utf-8")


def run_commands(text: str) -> None:
    """After a few steps a claim need not hold yet."""
    for words in commands(text):
        done = invoke(*words, *FEW.get(words[0], ()))
        assert done.exit_code == 0 or words[0] == "verify", f"mai {' '.join(words)}\n{done.output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_specs_of_pages_are_sound_and_in_the_form_of_all_specs(page: Path, tmp_path: Path) -> None:
    for language, name, text in pieces(page):
        if language == "mai" and name:
            (tmp_path / name).write_text(text, encoding="utf-8")
            assert invoke("format", "--check", tmp_path / name).exit_code == 0
            assert "error" not in invoke("check", tmp_path / name).output


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if "```sh\n" in page.read_text()], ids=lambda page: page.stem)
def test_a_page_runs_from_its_top_to_its_end(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_passengers(tmp_path / "titanic.csv")
    names: dict[str, object] = {"__name__": page.stem}
    for language, name, text in pieces(page):
        if name:
            (tmp_path / name).write_text(text, encoding="utf-8")
        elif language == "sh":
            run_commands(text)
        elif language == "python":
            exec(compile(text, f"{page.name}", "exec"), names)


def test_the_pictures_of_a_page_are_there_and_small() -> None:
    shown = pictures(ROOT / "docs" / "learn.md")
    assert len(shown) == 7
    assert all((ROOT / "docs" / picture).stat().st_size < 100_000 for picture in shown)
    assert {f"learn/{path.name}" for path in (ROOT / "docs" / "learn").iterdir()} == set(shown)


def test_new_lines_of_a_spec_are_marked() -> None:
    first, second = 'a\n```mai title="one.mai"\nx\ny\n```\n', '```mai title="two.mai"\nx\nz\n\ny\n```\n'
    assert with_changes_marked(first + second) == first + second.replace('"two.mai"', '"two.mai" hl_lines="2"')
    assert with_changes_marked(first) == first
