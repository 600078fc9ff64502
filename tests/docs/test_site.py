"""The site: its list of pages names files that are there, its links hold, and it builds without a warning."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs.site.archives import archive
from docs.site.links import for_the_site, place_in_repository, targets
from docs.site.pages import ROOT, pages

PLACES = {"docs/a.md": "guides/a.md", "spec/b.md": "reference/b.md"}


def test_every_page_has_its_file_and_its_place() -> None:
    listed = pages()
    assert all((ROOT / file).exists() for page in listed for file in page.sources)
    assert len({page.at for page in listed}) == len(listed)
    assert len({file for page in listed for file in page.sources}) == sum(len(page.sources) for page in listed)


def test_pages_of_the_docs_are_on_the_site() -> None:
    """A page that nobody finds is not read."""
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("**/*.md")}
    assert files <= {page.file for page in pages()}


@pytest.mark.parametrize("page", [page for page in pages() if page.file.endswith(".md")], ids=lambda page: page.file)
def test_links_lead_to_files_that_are_there(page) -> None:
    text = (ROOT / page.file).read_text(encoding="utf-8")
    inside = [target for target in targets(text) if "://" not in target and not target.startswith(("#", "mailto:"))]
    assert [target for target in inside if place_in_repository(page.file, target) is None] == []


def test_links_of_the_repository_become_links_of_the_site() -> None:
    text = "[b](../spec/b.md#part), [x](../LICENSE), [here](#below), `[b](../spec/b.md)`, f[0](x)"
    places = PLACES | {"spec/language.md": "reference/language.md"}
    assert for_the_site("[l](../spec/language.md#text) ![](page.png)", "docs/a.md", "guides/a.md", places) == (
        "[l](../reference/language.md#text) ![](../files/docs/page.png)"
    )
    assert for_the_site(text, "docs/a.md", "guides/a.md", places) == text.replace("../LICENSE", "../files/LICENSE", 1)


@pytest.mark.parametrize("file", ["docs/pictures.md", "docs/data_sets.md", "spec/functions.md", "spec/families.md"])
def test_how_a_page_is_made_is_no_part_of_the_site(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    shown = for_the_site(text, file, file, PLACES)
    assert " by `make " in text and " by `make " not in shown and "measures one of them anew" not in shown
    assert len(text) - len(shown) < 200


def test_a_link_to_a_folder_leads_to_an_archive_of_it() -> None:
    assert for_the_site("[c](../runtime/c)", "docs/a.md", "guides/a.md", PLACES) == "[c](../files/runtime/c.zip)"
    packed = archive(ROOT / "runtime" / "c")
    assert packed == archive(ROOT / "runtime" / "c")
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        names = set(file.namelist())
        assert {"c/mai.h", "c/CMakeLists.txt", "c/examples/sample.c"} <= names
        assert file.read("c/mai.h") == (ROOT / "runtime" / "c" / "mai.h").read_bytes()
    assert not any("__pycache__" in name for name in names)


def links_to_nothing(site: Path) -> list[str]:
    """Links of the pages of a built site to what it has not; 404.html counts from the top, since it stands in for any address."""

    def leads(page: Path, target: str) -> bool:
        place = site / target[1:] if target.startswith("/") else page.parent / target
        return place.is_file() or (place / "index.html").is_file()

    return [
        f"{page.relative_to(site)}: {target}"
        for page in site.rglob("*.html")
        for target in set(re.findall(r'(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")))
        if ":" not in target and not leads(page, unquote(target))
    ]


def test_a_page_of_an_example_has_its_figure_beside_the_twin() -> None:
    """It says what the gallery says, figures and commands."""
    pytest.importorskip("latex2mathml")
    from benchmarks.gallery.records import twins_by_spec
    from docs.site.written import further_pages

    page, twin = further_pages()["gallery/mean_flow.md"], twins_by_spec()["mean_flow"]
    assert f"The {twin['says']}: {twin['mai']:.3g}; written by hand in torch" in page
    assert re.search(r'\n<div class="formula"><math .*</math></div>\n', page), "a long formula moves inside its frame"
    assert "\n## The commands\n\n```sh\nmai train examples/mean_flow.mai" in page


def test_an_example_runs_on_its_page_where_it_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("latex2mathml")
    from docs.site import written

    monkeypatch.setattr(written, "PLAYGROUND", tmp_path)
    assert "iframe" not in written.further_pages()["gallery/mlp.md"]
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "mlp.html").touch()
    pages = written.further_pages()
    assert 'loading="lazy"' in pages["gallery/mlp.md"] and "iframe" not in pages["gallery/vit.md"]


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """And loads nothing from the network. It is built where the extra `docs` is installed, as `make test` has it."""
    pytest.importorskip("material")
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "NO_MKDOCS_2_WARNING": "1"}
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "-q",
        "-f",
        "docs/site/mkdocs.yml",
        "-d",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.html")}
    assert {page.at.replace(".md", ".html") for page in pages()} <= written
    assert links_to_nothing(tmp_path) == []
    shown = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html"))
    assert 'src="http' not in shown and '<link rel="stylesheet" href="http' not in shown
