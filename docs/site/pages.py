"""Which page of the site is made of which file: `pages.toml`, read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("pages.toml")


@dataclass(frozen=True, slots=True)
class Page:
    """A page: `at` is its place in the site, `file` the file of the repository that it is, `writer` the function that writes it.

    Links to anything in `stands_for` lead to it. `folder` is built by another command, and is taken along as it is. The specs of
    a page of `steps` are changes of the one before.
    """

    at: str
    title: str
    file: str = ""
    writer: str = ""
    folder: str = ""
    steps: bool = False
    stands_for: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The files of the repository whose links lead here."""
        return (self.file, *self.stands_for) if self.file else self.stands_for

    @property
    def is_there(self) -> bool:
        """Whether a folder that another command builds has been built; every other page is there."""
        return not self.folder or (ROOT / self.folder).is_dir()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the menu."""

    title: str
    pages: tuple[Page, ...]


@cache
def sections() -> tuple[Section, ...]:
    """The menu, without what is not there."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))["section"]
    all_of_them = [Section(s["title"], tuple(p for p in map(_page, s["pages"]) if p.is_there)) for s in listed]
    return tuple(section for section in all_of_them if section.pages)


def pages() -> tuple[Page, ...]:
    """All pages, in the order of the menu."""
    return tuple(page for section in sections() for page in section.pages)


def _page(row: dict[str, Any]) -> Page:
    names = {"from": "file", "for": "stands_for"}
    values = {names.get(key, key): tuple(value) if key == "for" else value for key, value in row.items()}
    return Page(**values)
