"""Links of the repository's files become links of the site: to pages, or to files that the site takes along."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from docs.site.pages import ROOT, pages

# Code first, whose brackets are no links: a fence, or a span between equal rows of backticks.
PIECE = re.compile(
    r"(?P<fence>^ *(?P<wall>```+|~~~+).*?^ *(?P=wall)`* *$)"
    r"|(?P<span>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<before>\]\(|(?:src|href)=\")(?P<target>[^)\s\"]+)(?P<after>[)\"])",
    re.DOTALL | re.MULTILINE,
)


def targets(text: str) -> Iterator[str]:
    """Where the links and pictures of a page lead, as they are written."""
    return (piece["target"] for piece in PIECE.finditer(text) if piece["target"])


def place_in_repository(file: str, target: str) -> str | None:
    """The file or folder of the repository that a link of `file` leads to; None where it leads out of it, or to a place of the same page."""
    path = target.partition("#")[0]
    if not path or "://" in path or path.startswith("mailto:"):
        return None
    place = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    return place if (ROOT / place).exists() else None


def places_of_pages() -> dict[str, str]:
    """The page of each file of the repository that has one."""
    return {source: page.at for page in pages() for source in page.sources}


def taken_along(place: str) -> str:
    """Where the site keeps a file that is no page; of a folder, an archive of it."""
    return f"files/{place}.zip" if (ROOT / place).is_dir() else f"files/{place}"


FOR_EDITORS = re.compile(r"(?:Generated|Made) by `make [\w-]+`.*?\.(?=\s|$) ?", re.DOTALL)  # Of files, not of pages.


def for_the_site(text: str, file: str, at: str, places: Mapping[str, str]) -> str:
    """The text of `file`, whose page is `at`, with links that hold in the site. `places` are the pages of files."""

    def moved(piece: re.Match[str]) -> str:
        place = place_in_repository(file, piece["target"]) if piece["target"] else None
        if place is None:
            return piece[0]
        there = places.get(place) or taken_along(place)
        link = posixpath.relpath(there, posixpath.dirname(at) or ".")
        hash_, anchor = piece["target"].partition("#")[1:]
        return f"{piece['before']}{link}{hash_}{anchor}{piece['after']}"

    return PIECE.sub(moved, FOR_EDITORS.sub("", text))
