"""The texts of `mai explain`, and the page of all diagnostics."""

from __future__ import annotations

from collections.abc import Collection
from textwrap import indent

from mai.spec.diagnostics.catalog import CATALOG, GROUPS
from mai.spec.diagnostics.entries.entry import Entry
from mai.spec.diagnostics.suggest import closest

PAGES = 'the pages "Functions and layers", "Settings" and "Glossary"'
MAX_EXAMPLE = 400  # Characters; longer examples are for the tests alone.


def explanation(slug: str, names: Collection[str] = tuple(CATALOG)) -> str:
    """The text that explains a slug, with an example; for an unknown one, a sentence with the nearest of `names`."""
    entry = CATALOG.get(slug)
    if entry is None:
        guess = closest(slug, names)
        hint = f"; did you mean `{guess}`?" if guess else ""
        help = f"`mai explain` lists the diagnostics; {PAGES} of the documentation have the rest"
        return f"there is no diagnostic, function, layer, setting or word `{slug}`{hint}\n{help}"
    parts = [f"{slug}: {entry.title}", entry.explanation]
    for title, snippet in _snippets(entry):
        parts += [title, indent(snippet, "    ")]
    return "\n\n".join(parts)


def _snippets(entry: Entry) -> list[tuple[str, str]]:
    """The wrong and the right example of an entry, with their headings, where they are there and short enough."""
    pairs = [("This earns it:", entry.example), ("This is sound:", entry.right)]
    return [(title, text.rstrip("\n")) for title, text in pairs if text.strip() and len(text) < MAX_EXAMPLE]


def index() -> str:
    """The list of all slugs with their titles, in groups."""
    lines = []
    for group, entries in GROUPS.items():
        lines += [group, *(f"  {slug:24} {entry.title}" for slug, entry in entries.items()), ""]
    return "\n".join(lines).rstrip("\n")


def page() -> str:
    """The text of the page `spec/errors.md`."""
    lines = ["# Diagnostics", "", "Generated from the catalog by `make docs`.", ""]
    for group, entries in GROUPS.items():
        lines += [f"## {group}", ""]
        for slug, entry in entries.items():
            lines += [f"### `{slug}`", f"**{entry.title}.** {entry.explanation}", ""]
            for title, snippet in _snippets(entry):
                lines += [title, "```mai", snippet, "```", ""]
    return "\n".join(lines).rstrip("\n") + "\n"
