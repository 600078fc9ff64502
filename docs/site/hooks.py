"""What MkDocs asks while it builds the site: its menu, its files, and the text of each page."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from docs.site import written
from docs.site.archives import archive
from docs.site.code import with_changes_marked
from docs.site.links import for_the_site, place_in_repository, places_of_pages, taken_along, targets
from docs.site.notebooks import as_markdown
from docs.site.pages import ROOT, Page, pages, sections

MERMAID = ROOT / "build" / "mermaid.min.js"  # `make site` puts it there where there is npm


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The menu; and the drawing of diagrams, where it is at hand."""
    menu: list[Any] = []
    for section in sections():
        entries = [{page.title: page.at} for page in section.pages]
        menu.append(entries[0] if len(entries) == 1 else {section.title: entries})
    config.nav = menu
    if MERMAID.exists():
        config.extra_javascript = [*config.extra_javascript, "mermaid.min.js"]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages, the files that they link or show, and folders that other commands have built."""
    texts = {page.at: (page.file, _text(page)) for page in pages() if not page.folder}
    texts |= {at: ("", text) for at, text in written.further_pages().items()}
    places = places_of_pages() | written.places()
    for at, (file, text) in texts.items():
        files.append(File.generated(config, at, content=for_the_site(_diagrams(text), file, at, places)))
        for place in _files_of(file, text):
            if place not in places:
                _take(files, config, taken_along(place), ROOT / place)
    for page in pages():
        if page.folder:
            _take(files, config, page.at, ROOT / page.folder / Path(page.at).name)
    if MERMAID.exists():
        _take(files, config, "mermaid.min.js", MERMAID)
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """What other commands have built, as it is: no plugin looks into it."""
    for page in pages():
        if page.folder:
            shutil.copytree(ROOT / page.folder, Path(config.site_dir, page.at).parent, dirs_exist_ok=True)


def _text(page: Page) -> str:
    if page.writer:
        return written.WRITERS[page.writer]()
    text = (ROOT / page.file).read_text(encoding="utf-8")
    if page.steps:
        return with_changes_marked(text)
    return as_markdown(text) if page.file.endswith(".ipynb") else text


def _files_of(file: str, text: str) -> list[str]:
    linked = (place_in_repository(file, target) for target in targets(text))
    return [place for place in linked if place is not None]


def _diagrams(text: str) -> str:
    """Where nothing at hand draws diagrams, they are shown as they are written: the site loads nothing from the network."""
    return text if MERMAID.exists() else text.replace("```mermaid", "```text")


def _take(files: Files, config: MkDocsConfig, at: str, path: Path) -> None:
    if files.get_file_from_path(at) is not None:
        return
    if path.is_dir():
        files.append(File.generated(config, at, content=archive(path)))
    else:
        files.append(File.generated(config, at, abs_src_path=str(path)))
